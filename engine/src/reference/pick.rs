//! End of a comparison whose bit is only multiplied with.

use super::compare_level::opened;
use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::unpack;

params!(
    /// As in the shader.
    Params { n: usize, n0: u32, n1: u32, n2: u32 }
);

/// Bits of a leaf's byte: g0, g1 and e1.
pub const BITS: [u32; 3] = [0, 1, 5];

/// `CLIENT` without `dealt`, `SERVER` with it.
pub fn pick(
    p: &Params,
    keys: &[u32],
    [mine, theirs, signs]: [&[u32]; 3],
    dealt: Option<&[u32]>,
    bits: &mut [u32],
    words: &mut [u32],
) {
    bits[..p.n.div_ceil(32)].copy_from_slice(&signs[..p.n.div_ceil(32)]);
    for g in 0..2 * p.n / 8 {
        let word = |i: usize| {
            let t = g / 2 * 8 + i;
            let [g0, _, e1] = BITS.map(|bit| opened(mine, theirs, t) as usize >> bit & 1);
            let at = 64 * (t / 8) + 8 * (4 * e1 + 2 * g0 + g % 2) + t % 8;
            match dealt {
                None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, at),
                Some(dealt) => unpack::element(dealt, 16, at),
            }
        };
        pack8(std::array::from_fn(word), 16, g, words);
    }
    for t in 0..p.n {
        bits[t / 32] ^= (opened(mine, theirs, t) >> BITS[1] & 1) << (t % 32);
    }
}
