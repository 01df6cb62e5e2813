//! Dealer's words for lifting a wire.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, n0: u32, n1: u32, n2: u32, block: u32 }
);

/// Where an element's carry (0) and top bit (1) stand in the message.
pub fn place(t: usize, which: usize) -> usize {
    16 * (t / 8) + 8 * which + t % 8
}

/// Messages of words of `bits` bits.
pub fn lift_deal(bits: u32, p: &Params, keys: &[u32], lam: &[u64], msg: &mut [u32]) {
    for g in 0..2 * p.n.div_ceil(8) {
        let (at, which) = (g / 2, g % 2);
        let word = |i: usize| {
            let t = 8 * at + i;
            if t >= p.n {
                return 0;
            }
            let bit = r_bit(lam[t], p.k - which as u32);
            let drawn = 32 * p.block as usize + place(t, which);
            u64::from(bit).wrapping_sub(element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], bits, drawn))
        };
        pack8(std::array::from_fn(word), bits, g, msg);
    }
}
