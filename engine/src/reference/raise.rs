//! A wire of 16 bits, lifted and opened.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::quartic_value::signed;
use super::ring::r_low;
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, first: u32, y0: u32, y1: u32, y2: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// Messages of `k` bits; `CLIENT` without `dealt`, `SERVER` with it.
pub fn raise(
    k: u32,
    p: &Params,
    keys: &[u32],
    [mine, theirs]: [&[u32]; 2],
    dealt: Option<&[u32]>,
    lam: &mut [u64],
    msg: &mut [u32],
) {
    let (key, bits) = (1 - p.first as usize, 2 * (k - 16));
    for g in 0..p.n / 8 {
        let mut s = [0; 8];
        for t in 8 * g..8 * g + 8 {
            let word = match dealt {
                None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], bits, t),
                Some(dealt) => unpack::element(dealt, bits, t),
            };
            let (u, low) = signed(unpack::element(mine, 16, t) + unpack::element(theirs, 16, t), 16);
            let high = word.wrapping_add(if low { word >> (k - 16) } else { 0 });
            let own = element(ROUNDS, keys, key, [p.y0, p.y1, p.y2], 16, t);
            let share = u64::from(p.first).wrapping_mul(u).wrapping_sub(own).wrapping_add(high << 16);
            lam[t] = r_low(element(ROUNDS, keys, key, [p.m0, p.m1, p.m2], k, t), k);
            s[t % 8] = share.wrapping_add(lam[t]);
        }
        pack8(s, k, g, msg);
    }
}
