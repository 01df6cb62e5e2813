//! Dealer's words for a quartic.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;

params!(
    /// As in the shader.
    Params {
        n: usize, k: u32, w0: u32, w1: u32, w2: u32, s0: u32, s1: u32, s2: u32, q0: u32, q1: u32, q2: u32, n0: u32, n1: u32,
        n2: u32,
    }
);

/// The inner squares, the outer ones, the words.
pub fn quartic_deal(p: &Params, keys: &[u32], lam: &[u64], [msg, squares, words]: [&mut [u32]; 3]) {
    let client = |nonce, k, at| element(ROUNDS, keys, 0, nonce, k, at);
    let own = |key, t| r_low(element(ROUNDS, keys, key, [p.w0, p.w1, p.w2], 16, t), p.k);
    let sum = |t: usize| own(0, t) + own(1, t);
    let mask = |t: usize| r_low(sum(t), p.k);
    let top = |t: usize| mask(t) >> (p.k - 1);
    for g in 0..p.n / 8 {
        let each = |f: &dyn Fn(usize) -> u64| std::array::from_fn(|i| f(8 * g + i));
        let inner = |t: usize| lam[t].wrapping_mul(lam[t]).wrapping_sub(client([p.s0, p.s1, p.s2], 24, t));
        let outer = |t: usize| mask(t).wrapping_mul(mask(t)).wrapping_sub(client([p.q0, p.q1, p.q2], 32, t));
        pack8(each(&inner), 24, g, msg);
        pack8(each(&outer), 32, g, squares);
    }
    for g in 0..p.n.div_ceil(32) * 12 {
        let word = |i: usize| {
            let (at, t) = (8 * g + i, g / 12 * 32 + g % 4 * 8 + i);
            let value = match g / 4 % 3 {
                0 => sum(t) >> p.k,
                1 => top(t),
                _ => top(t) * mask(t).wrapping_sub(1 << (p.k - 1)),
            };
            value.wrapping_sub(client([p.n0, p.n1, p.n2], 16, at))
        };
        pack8(std::array::from_fn(word), 16, g, words);
    }
}
