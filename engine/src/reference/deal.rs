//! The dealer's correction for the server.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use crate::correlated::elements_of_block;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, n0: u32, n1: u32, n2: u32, block: usize }
);

/// Without switches.
pub fn deal(p: &Params, keys: &[u32], c: &[u64], msg: &mut [u32]) {
    for t in 0..p.n.div_ceil(8) {
        let mut s = [0u64; 8];
        for i in 0..8 {
            let at = t * 8 + i;
            if at < p.n {
                let l = element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], p.k, p.block * elements_of_block(p.k) + at);
                s[i] = c[at].wrapping_sub(l);
            }
        }
        pack8(s, p.k, t, msg);
    }
}
