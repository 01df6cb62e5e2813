//! Dealer's words for a tournament's level.

use super::pack::pack8;
use super::prg::{ROUNDS, element};

params!(
    /// As in the shader.
    Params { n: usize, n0: u32, n1: u32, n2: u32 }
);

/// Without switches.
pub fn maximum_deal(p: &Params, keys: &[u32], lam: &[u64], bits: &[u32], msg: &mut [u32]) {
    for g in 0..2 * p.n / 8 {
        let masked = |i: usize| {
            let t = g / 2 * 8 + i;
            let beta = u64::from(bits[t / 32] >> (t % 32) & 1);
            let v = if g % 2 == 0 { beta.wrapping_mul(lam[t]) } else { beta };
            v.wrapping_sub(element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, 8 * g + i))
        };
        pack8(std::array::from_fn(masked), 16, g, msg);
    }
}
