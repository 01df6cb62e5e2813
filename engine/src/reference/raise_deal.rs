//! Dealer's words for lifting and opening a wire of 16 bits.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, y0: u32, y1: u32, y2: u32, n0: u32, n1: u32, n2: u32 }
);

/// Words of `k` bits.
pub fn raise_deal(k: u32, p: &Params, keys: &[u32], msg: &mut [u32]) {
    let word = |t: usize| {
        let sum: u64 = [0, 1].map(|key| element(ROUNDS, keys, key, [p.y0, p.y1, p.y2], 16, t)).iter().sum();
        let drawn = element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], k, t);
        let carry = r_low((sum >> 16).wrapping_sub(drawn), k / 2);
        carry.wrapping_add((sum >> 15 & 1).wrapping_sub(drawn >> (k / 2)) << (k / 2))
    };
    for g in 0..p.n / 8 {
        pack8(std::array::from_fn(|i| word(8 * g + i)), k, g, msg);
    }
}
