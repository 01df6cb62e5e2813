//! Dealer's part of a comparison, leaves.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, groups: usize, lo: u32, hi: u32, n0: u32, n1: u32, n2: u32 }
);

/// Bits of a digit in messages of `k` bits.
pub fn digit(k: u32) -> u32 {
    match k {
        60 => 4,
        64 => 7,
        _ => 3,
    }
}

/// Messages of `k` bits.
pub fn compare_deal(k: u32, p: &Params, keys: &[u32], lam: &[u64], msg: &mut [u32]) {
    let word = |g: usize, t: usize| {
        // The window without its sign bit.
        let low = r_low(r_low(lam[t], p.hi) >> p.lo, p.hi - p.lo - 1);
        if k == 64 {
            let digit = low >> (7 * (g / 2)) & 127;
            return if digit as usize / 64 == g % 2 { 1 << (digit % 64) } else { 0 };
        }
        let (bits, hot) = (digit(k) as u64, (1 << digit(k)) - 1);
        let v = low >> (16 * g);
        let digits = (0..4).map(|q| (q, v >> (bits * q) & hot)).filter(|(_, digit)| *digit != 0);
        digits.fold(0, |word, (q, digit)| word | 1u64 << (hot * q + digit - 1))
    };
    for at in 0..p.groups * p.n / 8 {
        let masked = |i| word(i / p.n, i % p.n) ^ element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], k, i);
        pack8(std::array::from_fn(|i| masked(8 * at + i)), k, at, msg);
    }
}
