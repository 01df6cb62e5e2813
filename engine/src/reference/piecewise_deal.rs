//! Dealer's words for piecewise polynomials.

use super::ring::{r_bit, r_low};
use super::segment::NONE;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, branches: usize, segments: usize, selected: usize, degree: usize }
);

/// Without switches.
pub fn piecewise_deal(p: &Params, lam: &[u64], masks: &[u64], table: &[u64], out: &mut [u64]) {
    let per_branch = p.degree * (1 + p.selected);
    for t in 0..p.n {
        let l = r_low(lam[t], p.k);
        let mut put = |at: usize, v: u64| out[at * p.n + t] = v;
        // The mask itself, and its signed reading.
        let signed = ((l << (64 - p.k)) as i64 >> (64 - p.k)) as u64;
        let readings = [l, signed];
        for (b, m) in readings[..p.branches].iter().enumerate() {
            for i in 0..p.degree {
                put(b * per_branch + i, m.wrapping_pow(i as u32 + 1));
            }
        }
        let mut chosen = 0;
        for row in table.chunks(3 + p.degree).take(p.segments) {
            let bounds = [row[0] as u32, row[1] as u32];
            if bounds == [NONE; 2] {
                continue;
            }
            let beta = bounds.iter().filter(|b| **b != NONE).fold(0, |v, b| v ^ r_bit(masks[*b as usize * p.n + t], 8));
            for (b, m) in readings[..p.branches].iter().enumerate() {
                for i in 0..p.degree {
                    let v = u64::from(beta).wrapping_mul(m.wrapping_pow(i as u32 + 1));
                    put(b * per_branch + p.degree * (1 + chosen) + i, v);
                }
            }
            put(p.branches * per_branch + chosen, beta.into());
            chosen += 1;
        }
    }
}
