//! A quartic's inner square.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, first: u32, c0: u32, c1: u32, cut: u32, add: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// `CLIENT` without `dealt`, `SERVER` with it.
pub fn quartic_square(p: &Params, keys: &[u32], [delta, lam]: [&[u64]; 2], dealt: Option<&[u32]>, msg: &mut [u32]) {
    let word = |t: usize| {
        let square = match dealt {
            None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 24, t),
            Some(dealt) => unpack::element(dealt, 24, t),
        };
        let (u, c0, c1) = (delta[t], u64::from(p.c0), u64::from(p.c1));
        let open = u64::from(p.first) * u.wrapping_mul(u).wrapping_add(c1.wrapping_mul(u)).wrapping_add(c0);
        let cross = u.wrapping_mul(2).wrapping_add(c1).wrapping_mul(lam[t]);
        let s = open.wrapping_sub(cross).wrapping_add(square).wrapping_add(p.add.into()) & 0xff_ffff;
        (s >> p.cut) + element(ROUNDS, keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], 16, t)
    };
    for g in 0..p.n / 8 {
        pack8(std::array::from_fn(|i| word(8 * g + i)), 16, g, msg);
    }
}
