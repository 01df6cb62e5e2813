//! End of a comparison.

use super::combine::combine;
use super::compare_level::opened;
use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { n: usize, count: usize, hi: u32, first: u32 }
);

/// Without switches.
pub fn compare_final(
    p: &Params,
    [mine, theirs]: [&[u32]; 2],
    masks: &[u64],
    products: &[u64],
    delta: &[u64],
    thresholds: &[u64],
    msg: &mut [u32],
) {
    msg[..p.count.div_ceil(32)].fill(0);
    for i in 0..p.count {
        let less = combine(opened(mine, theirs, i), masks[i] as u32, products[i] as u32, p.first) & 1;
        let mut bit = less ^ r_bit(products[i], 15) ^ r_bit(masks[i], 8);
        if p.first == 1 {
            bit ^= r_bit(delta[i % p.n].wrapping_sub(thresholds[i / p.n]), p.hi - 1);
        }
        msg[i / 32] |= bit << (i % 32);
    }
}
