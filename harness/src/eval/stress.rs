//! Functions made worse, one knob at a time, until images break: where the approximation error is large enough for a repair
//! to show.

use std::fmt;
use std::str::FromStr;

use masque_engine::approx::{Approx, Exp, Piecewise, Segment};
use masque_engine::functions::Functions;
use masque_engine::graph::ops::Function;
use serde::{Deserialize, Serialize};

/// One knob and how far it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stress {
    /// Fraction bits of the outputs of layers with weights.
    Bits(u32),
    /// Degree of the least-squares polynomial for exp on [-4.8, 0], below which it is 0.
    ExpDegree(u32),
    /// Exp by the degree-4 least-squares polynomial on [-x, 0], below which it is 0.
    ExpRange(f64),
    /// Degree of the least-squares polynomials for SiLU on [-5.4, 4] and GELU on [-2.1, 3].
    Degree(u32),
    /// SiLU by degree 4 on [-x, x] and GELU likewise; 0 below, the identity above.
    Border(f64),
}

/// What the sweep tries where no list is given.
pub const SWEEP: &str =
    "bits:6,bits:4,bits:3,bits:2,exp-degree:2,exp-degree:1,exp-range:2,exp-range:1,degree:4,degree:2,border:2,border:1";

const SAMPLES: usize = 400;

/// Least-squares polynomial of a function at the Chebyshev nodes of an interval, in powers of its argument, lowest first.
///
/// Chebyshev's polynomials are orthogonal on these nodes, so that the coefficients are plain sums.
fn fit(f: impl Fn(f64) -> f64, low: f64, high: f64, degree: u32) -> Vec<f64> {
    let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
    let angle = |i: usize| (i as f64 + 0.5) / SAMPLES as f64 * std::f64::consts::PI;
    let coefficient = |k: usize| {
        let sum: f64 = (0..SAMPLES).map(|i| f(middle + half * angle(i).cos()) * (k as f64 * angle(i)).cos()).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / SAMPLES as f64
    };
    // y = (x - middle) / half as a polynomial in x, and T_k(y) by their recurrence.
    let times_y = |p: &[f64]| {
        let mut q = vec![0.0; p.len() + 1];
        for (i, c) in p.iter().enumerate() {
            q[i] -= c * middle / half;
            q[i + 1] += c / half;
        }
        q
    };
    let mut total = vec![0.0; degree as usize + 1];
    let (mut last, mut this): (Vec<f64>, Vec<f64>) = (vec![], vec![1.0]);
    for k in 0..=degree as usize {
        let c = coefficient(k);
        total.iter_mut().zip(&this).for_each(|(t, p)| *t += c * p);
        let twice = if k == 0 { 1.0 } else { 2.0 };
        let mut next: Vec<f64> = times_y(&this).iter().map(|v| twice * v).collect();
        next.iter_mut().zip(&last).for_each(|(n, l)| *n -= l);
        last = std::mem::replace(&mut this, next);
    }
    total
}

/// 0, a fit, the identity.
fn activation(function: Function, low: f64, high: f64, degree: u32) -> Piecewise {
    let poly = fit(|x| Approx::Exact.apply(function, x), low, high, degree);
    Piecewise { thresholds: vec![low, high], segments: vec![Segment::Zero, Segment::Poly(poly), Segment::Identity] }
}

fn exponential(low: f64, degree: u32) -> Exp {
    let poly = fit(f64::exp, low, 0.0, degree);
    Exp::Poly(Piecewise { thresholds: vec![low], segments: vec![Segment::Zero, Segment::Poly(poly)] })
}

impl Stress {
    /// The functions of a set with this knob turned.
    pub fn functions(&self, approx: Approx) -> Functions {
        let mut f = Functions::from(approx);
        let mut activations = |silu: (f64, f64), gelu: (f64, f64), degree| {
            f.silu = Some(activation(Function::Silu, silu.0, silu.1, degree));
            f.gelu = Some(activation(Function::Gelu, gelu.0, gelu.1, degree));
        };
        match *self {
            Stress::Bits(bits) => f.fraction = Some(bits),
            Stress::ExpDegree(degree) => f.exponential = Some(exponential(-4.8, degree)),
            Stress::ExpRange(range) => f.exponential = Some(exponential(-range, 4)),
            Stress::Degree(degree) => activations((-5.4, 4.0), (-2.1, 3.0), degree),
            Stress::Border(border) => activations((-border, border), (-border, border), 4),
        }
        f
    }

    fn parts(&self) -> (&'static str, f64) {
        match *self {
            Stress::Bits(n) => ("bits", n.into()),
            Stress::ExpDegree(n) => ("exp-degree", n.into()),
            Stress::ExpRange(x) => ("exp-range", x),
            Stress::Degree(n) => ("degree", n.into()),
            Stress::Border(x) => ("border", x),
        }
    }
}

impl fmt::Display for Stress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (knob, value) = self.parts();
        write!(f, "{knob}:{value}")
    }
}

impl FromStr for Stress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "{text:?} is no knob; choose bits:N, exp-degree:N, exp-range:X, degree:N or border:X, for example bits:4"
            )
        };
        let (knob, value) = text.split_once(':').ok_or_else(form)?;
        let whole = |most: u32| value.parse::<u32>().ok().filter(|n| *n <= most).ok_or_else(form);
        let number = || value.parse::<f64>().ok().filter(|x| *x >= 0.1 && *x <= 20.0).ok_or_else(form);
        Ok(match knob {
            "bits" => Stress::Bits(whole(20)?),
            "exp-degree" => Stress::ExpDegree(whole(8)?),
            "exp-range" => Stress::ExpRange(number()?),
            "degree" => Stress::Degree(whole(8)?),
            "border" => Stress::Border(number()?),
            _ => return Err(form()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_parse_and_print() {
        for text in SWEEP.split(',') {
            assert_eq!(text.parse::<Stress>().expect(text).to_string(), text);
        }
        for bad in ["", "bits", "bits:", "bits:-1", "bits:21", "border:0", "exp-range:nan", "speed:3", "degree:1.5"] {
            assert!(bad.parse::<Stress>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn fits_are_as_good_as_their_degree() {
        let error = |degree| {
            let c = fit(f64::exp, -4.8, 0.0, degree);
            let value = |x: f64| c.iter().rev().fold(0.0, |y, c| y * x + c);
            (0..=48).map(|i| f64::from(i) * -0.1).map(|x| (value(x) - x.exp()).abs()).fold(0.0, f64::max)
        };
        let errors: Vec<f64> = [1, 2, 4, 8].map(error).to_vec();
        assert!(errors.windows(2).all(|e| e[1] < e[0] / 2.0), "{errors:?}");
        assert!(errors[3] < 1e-4, "{errors:?}");
        // A polynomial is its own fit.
        let c = fit(|x| 1.0 - 2.0 * x + 0.5 * x * x, -3.0, 1.0, 2);
        assert!(c.iter().zip([1.0, -2.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-9), "{c:?}");
    }

    #[test]
    fn one_knob_leaves_the_other_functions() {
        let loose = Functions::from(Approx::Loose);
        let f = Stress::ExpDegree(2).functions(Approx::Loose);
        assert!(f.silu == loose.silu && f.gelu == loose.gelu && f.exponential != loose.exponential);
        let f = Stress::Border(2.0).functions(Approx::Loose);
        assert!(f.silu != loose.silu && f.gelu != loose.gelu && f.exponential == loose.exponential);
        let f = Stress::Bits(4).functions(Approx::Loose);
        assert_eq!(Functions { fraction: None, ..f.clone() }, loose);
        assert_eq!(f.fraction, Some(4));
        let silu = Stress::Degree(8).functions(Approx::Loose).silu.expect("a table");
        assert!(
            (silu.eval(1.0) - Approx::Exact.silu(1.0)).abs() < 0.02 && silu.eval(-7.0) == 0.0 && silu.eval(7.0) == 7.0
        );
    }
}
