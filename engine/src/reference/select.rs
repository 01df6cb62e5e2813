//! A bit times a wire, opened.

use super::chosen::chosen;
use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, first: u32, y0: u32, y1: u32, y2: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// `CLIENT` without `dealt`, `SERVER` with it.
pub fn select(
    p: &Params,
    keys: &[u32],
    [mine, theirs]: [&[u32]; 2],
    bits: &[u32],
    dealt: Option<&[u32]>,
    msg: &mut [u32],
) {
    let key = 1 - p.first as usize;
    let value = |t: usize| {
        let word = |which: usize| {
            let at = (t / 8 * 2 + which) * 8 + t % 8;
            match dealt {
                None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, at) as u32,
                Some(dealt) => unpack::element(dealt, 16, at) as u32,
            }
        };
        let u = unpack::element(mine, 16, t) + unpack::element(theirs, 16, t);
        let own = element(ROUNDS, keys, key, [p.y0, p.y1, p.y2], 16, t);
        let on = bits[t / 32] >> (t % 32) & 1 == 0;
        let v = chosen(u as u32, own as u32, [0, 1].map(word), on, p.first);
        u64::from(v).wrapping_add(element(ROUNDS, keys, key, [p.m0, p.m1, p.m2], 16, t))
    };
    for g in 0..p.n / 8 {
        pack8(std::array::from_fn(|i| value(8 * g + i)), 16, g, msg);
    }
}
