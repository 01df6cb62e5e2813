//! Middle of a comparison.

use super::combine::combine;

params!(
    /// As in the shader.
    Params { n: usize, groups: usize, count: usize, first: u32 }
);

/// The opened byte of an instance.
pub fn opened(mine: &[u32], theirs: &[u32], at: usize) -> u32 {
    (mine[at / 4] ^ theirs[at / 4]) >> (8 * (at % 4)) & 0xff
}

/// Without switches.
pub fn compare_level(
    p: &Params,
    [mine, theirs]: [&[u32]; 2],
    masks: &[u64],
    products: &[u64],
    next: &[u64],
    msg: &mut [u32],
) {
    msg[..p.count.div_ceil(4)].fill(0);
    for i in 0..p.count {
        let mut byte = 0;
        for g in 0..4 {
            // Groups that do not exist are equal.
            let (mut less, mut equal) = (0, p.first);
            if g < p.groups {
                let at = ((i / p.n) * p.groups + g) * p.n + i % p.n;
                let s = combine(opened(mine, theirs, at), masks[at] as u32, products[at] as u32, p.first);
                (less, equal) = (s & 1, s >> 1);
            }
            byte |= less << g | equal << (4 + g);
        }
        msg[i / 4] |= (byte ^ next[i] as u32 & 0xff) << (8 * (i % 4));
    }
}
