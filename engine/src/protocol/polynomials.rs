//! Coefficients of polynomials, before anything is on shares: other variables, other units.

use crate::approx::horner;

/// Coefficients in x of a polynomial in `shift + slope x`.
pub(super) fn expand(c: &[f64], shift: f64, slope: f64) -> Vec<f64> {
    let mut out = vec![0.0; c.len()];
    for a in c.iter().rev() {
        let mut next = vec![0.0; c.len()];
        for (j, v) in out.iter().enumerate() {
            next[j] += v * shift;
            if j + 1 < c.len() {
                next[j + 1] += v * slope;
            }
        }
        next[0] += a;
        out = next;
    }
    out
}

/// Largest value of a function at 257 points of an interval.
pub(super) fn largest((a, b): (f64, f64), f: impl Fn(f64) -> f64) -> f64 {
    (0..=256).map(|i| f(a + (b - a) * f64::from(i) / 256.0)).fold(f64::NEG_INFINITY, f64::max)
}

/// Coefficients of a polynomial, `x^j`'s a multiple of `2^(j fx - f)`, and the largest error on an interval.
///
/// From the highest one down; of what rounding takes from `x^j`, the nearest polynomial of lower degree goes into the others:
/// `h^j 2^(1 - j) T_j` remains, with Chebyshev's polynomial T_j and half the interval's length h.
pub(super) fn rounded(c: &[f64], (a, b): (f64, f64), fx: u32, f: u32) -> (Vec<f64>, f64) {
    let (middle, half) = ((a + b) / 2.0, (b - a) / 2.0);
    let mut out = c.to_vec();
    for j in (0..c.len()).rev() {
        let unit = (f64::from(fx) * j as f64 - f64::from(f)).exp2();
        let error = out[j] - (out[j] / unit).round() * unit;
        out[j] -= error;
        let monic = half.powi(j as i32) * f64::from(1 - j as i32).exp2().min(1.0);
        let rest = expand(&chebyshev(j), -middle / half, 1.0 / half);
        for (to, rest) in out.iter_mut().zip(&rest).take(j) {
            *to -= error * monic * rest;
        }
    }
    let error = largest((a, b), |x| (horner(&out, x) - horner(c, x)).abs());
    (out, error)
}

/// Coefficients of Chebyshev's polynomial of a degree.
fn chebyshev(degree: usize) -> Vec<f64> {
    let (mut last, mut next) = (vec![0.0; degree + 2], vec![0.0; degree + 2]);
    (last[0], next[1]) = (1.0, 1.0);
    for _ in 0..degree {
        let after = (0..degree + 2).map(|i| if i > 0 { 2.0 * next[i - 1] } else { 0.0 } - last[i]).collect();
        (last, next) = (next, after);
    }
    last.truncate(degree + 1);
    last
}
