//! First half of an opening.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;
use crate::correlated::elements_of_block;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, from_: u32, shift: u32, key: u32, n0: u32, n1: u32, n2: u32, block: usize, add: u64 }
);

/// Without switches, and with `minus` for `MINUS`.
pub fn open(minus: bool, p: &Params, keys: &[u32], x: &[u64], lam: &mut [u64], msg: &mut [u32]) {
    for t in 0..p.n.div_ceil(8) {
        let mut s = [0u64; 8];
        for i in 0..8 {
            let at = t * 8 + i;
            if at < p.n {
                let v = r_low(x[at].wrapping_add(p.add), p.from_) >> p.shift;
                let m = r_low(
                    element(
                        ROUNDS,
                        keys,
                        p.key as usize,
                        [p.n0, p.n1, p.n2],
                        p.k,
                        p.block * elements_of_block(p.k) + at,
                    ),
                    p.k,
                );
                lam[at] = m;
                s[i] = if minus { v.wrapping_sub(m) } else { v.wrapping_add(m) };
            }
        }
        pack8(s, p.k, t, msg);
    }
}
