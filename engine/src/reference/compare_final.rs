//! End of a comparison.

use super::combine::combine;
use super::compare_level::opened;
use super::compare_products::{client_products, mask};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, groups: usize, levels: usize, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// `CLIENT` without `products`, `SERVER` with them.
pub fn compare_final(
    p: &Params,
    keys: &[u32],
    [mine, theirs]: [&[u32]; 2],
    products: Option<&[u32]>,
    signs: &[u32],
    msg: &mut [u32],
    beta: &mut [u32],
) {
    for to in 0..p.n.div_ceil(32) * p.levels {
        // Beyond the last element there is nothing but mask.
        let (block, level) = (to / p.levels, to % p.levels);
        let own = |i| mask(keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], p.levels, level, 32 * block + i);
        beta[to] = (0..32).fold(0, |word, i| word | (own(i) >> 8 & 1) << i);
        msg[to] = beta[to] ^ (signs[to * p.groups] * p.first);
    }
    for i in 0..p.levels * p.n {
        let (level, e) = (i / p.n, i % p.n);
        let to = e / 32 * p.levels + level;
        let own = mask(keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], p.levels, level, e);
        let w = match products {
            None => client_products(16, keys, [p.n0, p.n1, p.n2], p.levels, level, e),
            Some(products) => unpack::element(products, 16, i) as u32,
        };
        let less = combine(opened(mine, theirs, i), own, w, p.first) & 1;
        msg[to] ^= ((less ^ w >> 15) & 1) << (e % 32);
    }
}
