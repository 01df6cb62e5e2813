//! Dealer's words for a comparison whose bit is only multiplied with.

use super::compare_products::mask;
use super::pack::pack8;
use super::pick::BITS;
use super::prg::{ROUNDS, element};
use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { n: usize, sign: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32 }
);

/// Without switches.
pub fn pick_deal(p: &Params, keys: &[u32], lam: &[u64], msg: &mut [u32]) {
    for g in 0..p.n {
        let masked = |i: usize| {
            let (t, which) = (g / 8 * 8 + i, g as u32 % 8);
            let own = [0, 1].map(|key| mask(keys, key, [p.m0, p.m1, p.m2], 1, 0, t));
            let [g0, g1, e1] = BITS.map(|bit| (own[0] ^ own[1]) >> bit & 1);
            let beta = u64::from(r_bit(lam[t], p.sign) ^ g1 ^ ((which >> 2 ^ e1) & (which >> 1 & 1 ^ g0)));
            let v = if which % 2 == 0 { beta.wrapping_mul(lam[t]) } else { beta };
            v.wrapping_sub(element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, 8 * g + i))
        };
        pack8(std::array::from_fn(masked), 16, g, msg);
    }
}
