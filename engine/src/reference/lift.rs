//! A wire's signed value in a larger ring.

use super::lift_deal::place;
use super::prg::{ROUNDS, element};
use super::ring::{r_bit, r_low};
use super::unpack;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, n0: u32, n1: u32, n2: u32, block: u32 }
);

/// Words of `bits` bits; `CLIENT` without `dealt`, `SERVER` with them.
pub fn lift(bits: u32, p: &Params, keys: &[u32], [delta, lam]: [&[u64]; 2], dealt: Option<&[u32]>, out: &mut [u64]) {
    for t in 0..p.n {
        let word = |which: usize| match dealt {
            None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], bits, 32 * p.block as usize + place(t, which)),
            Some(dealt) => unpack::element(dealt, bits, place(t, which)),
        };
        let h = 1u64 << (p.k - 2);
        let d = r_low(delta[t].wrapping_add(h), p.k);
        let (wrap, top) = (word(0), word(1));
        let high = if r_bit(d, p.k - 1) == 0 { wrap.wrapping_add(top) } else { wrap };
        let v = (high << p.k).wrapping_sub(lam[t]);
        out[t] = if dealt.is_none() { v.wrapping_add(d.wrapping_sub(h)) } else { v };
    }
}
