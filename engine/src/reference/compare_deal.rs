//! Dealer's part of a comparison, leaves.

use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, groups: usize, lo: u32, hi: u32 }
);

/// Without switches.
pub fn compare_deal(p: &Params, lam: &[u64], out: &mut [u64]) {
    for g in 0..p.groups {
        for t in 0..p.n {
            // The window without its sign bit.
            let low = r_low(r_low(lam[t], p.hi) >> p.lo, p.hi - p.lo - 1);
            let v = low >> (16 * g) & 0xffff;
            let mut word = 0;
            for q in 0..4 {
                let nibble = v >> (4 * q) & 15;
                if nibble != 0 {
                    word |= 1 << (15 * q + nibble - 1);
                }
            }
            out[g * p.n + t] = word;
        }
    }
}
