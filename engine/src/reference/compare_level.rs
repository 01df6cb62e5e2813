//! Middle of a comparison.

use super::combine::combine;
use super::compare_products::{client_products, mask};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, groups: usize, levels: usize, first: u32, m0: u32, m1: u32, m2: u32, s0: u32, s1: u32, s2: u32,
        n0: u32, n1: u32, n2: u32,
    }
);

/// The opened byte of an instance.
pub fn opened(mine: &[u32], theirs: &[u32], at: usize) -> u32 {
    (mine[at / 4] ^ theirs[at / 4]) >> (8 * (at % 4)) & 0xff
}

/// `CLIENT K24` without `products`, `SERVER K24` with them.
pub fn compare_level(p: &Params, keys: &[u32], [mine, theirs]: [&[u32]; 2], products: Option<&[u32]>, msg: &mut [u32]) {
    msg[..p.levels * p.n / 4].fill(0);
    let (key, rows) = (1 - p.first as usize, p.levels * p.groups);
    for i in 0..p.levels * p.n {
        let (level, e) = (i / p.n, i % p.n);
        let mut byte = 0;
        for g in 0..4 {
            // Groups that do not exist are equal.
            let (mut less, mut equal) = (0, p.first);
            if g < p.groups {
                let row = level * p.groups + g;
                let at = row * p.n + e;
                let own = mask(keys, key, [p.m0, p.m1, p.m2], rows, row, e);
                let w = match products {
                    None => client_products(24, keys, [p.n0, p.n1, p.n2], rows, row, e),
                    Some(products) => unpack::element(products, 24, at) as u32,
                };
                let s = combine(opened(mine, theirs, at), own, w, p.first);
                (less, equal) = (s & 1, s >> 1);
            }
            byte |= less << g | equal << (4 + g);
        }
        let next = mask(keys, key, [p.s0, p.s1, p.s2], p.levels, level, e);
        msg[i / 4] |= ((byte ^ next) & 0xff) << (8 * (i % 4));
    }
}
