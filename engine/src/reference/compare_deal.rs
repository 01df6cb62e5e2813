//! Dealer's part of a comparison, leaves.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, groups: usize, lo: u32, hi: u32, n0: u32, n1: u32, n2: u32 }
);

/// Messages of `k` bits.
pub fn compare_deal(k: u32, p: &Params, keys: &[u32], lam: &[u64], msg: &mut [u32]) {
    let word = |g: usize, t: usize| {
        // The window without its sign bit.
        let low = r_low(r_low(lam[t], p.hi) >> p.lo, p.hi - p.lo - 1);
        let v = low >> (16 * g) & 0xffff;
        let nibbles = (0..4).map(|q| (q, v >> (4 * q) & 15)).filter(|(_, nibble)| *nibble != 0);
        nibbles.fold(0, |word, (q, nibble)| word | 1u64 << (15 * q + nibble - 1))
    };
    for at in 0..p.groups * p.n / 8 {
        let masked = |i| word(i / p.n, i % p.n) ^ element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], k, i);
        pack8(std::array::from_fn(|i| masked(8 * at + i)), k, at, msg);
    }
}
