//! Piecewise polynomials of a masked wire.

use super::ring::{r_bit, r_low};
use super::segment::{NONE, indicator};

params!(
    /// As in the shader.
    Params { n: usize, k: u32, branches: usize, segments: usize, selected: usize, degree: usize, first: u32 }
);

/// c_i(u), the coefficient of z^i in P(u + z): sum over j of binomial(j, i) c_j u^(j - i).
fn taylor(c: &[u64], u: u64, i: usize) -> u64 {
    (i..c.len()).fold(0u64, |sum, j| {
        let binomial = (0..i).fold(1, |b, l| b * (j - l) as u64 / (l + 1) as u64);
        sum.wrapping_add(binomial.wrapping_mul(c[j]).wrapping_mul(u.wrapping_pow((j - i) as u32)))
    })
}

/// Without switches.
pub fn piecewise(p: &Params, delta: &[u64], bits: &[u32], table: &[u64], dealt: &[u64], out: &mut [u64]) {
    let per_branch = p.degree * (1 + p.selected);
    for t in 0..p.n {
        let h = 1u64 << (p.k - 2);
        let d = r_low(delta[t].wrapping_add(h), p.k);
        let u = d.wrapping_sub(h);
        let base = if p.branches == 2 && r_bit(d, p.k - 1) == 0 { per_branch } else { 0 };
        let word = |at: usize| dealt[at * p.n + t];
        let (mut y, mut chosen) = (0u64, 0);
        for row in table.chunks(3 + p.degree).take(p.segments) {
            let (b0, b1, c) = (row[0] as u32, row[1] as u32, &row[2..]);
            let selective = b0 != NONE || b1 != NONE;
            let q = if selective { indicator(p.n, bits, b0, b1, t) } else { 1 };
            for i in 0..=p.degree {
                // Shares of M^i, and of beta M^i; those of M^0 = 1 are `first` and the share of beta.
                let power = if i == 0 { p.first.into() } else { word(base + i - 1) };
                let beta_power = match (selective, i) {
                    (false, _) => 0,
                    (true, 0) => word(p.branches * per_branch + chosen),
                    (true, _) => word(base + p.degree * (1 + chosen) + i - 1),
                };
                let m = if q == 1 { power.wrapping_sub(beta_power) } else { beta_power };
                let term = taylor(c, u, i).wrapping_mul(m);
                y = if i % 2 == 1 { y.wrapping_sub(term) } else { y.wrapping_add(term) };
            }
            chosen += usize::from(selective);
        }
        out[t] = y;
    }
}
