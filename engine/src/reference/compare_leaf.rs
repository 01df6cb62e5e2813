//! Leaves of a comparison.

use super::compare_deal::digit;
use super::compare_products::mask;
use super::prg::{ROUNDS, element};
use super::ring::{r_bit, r_low};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, groups: usize, rows: usize, lo: u32, hi: u32, first: u32, m0: u32, m1: u32, m2: u32,
        n0: u32, n1: u32, n2: u32,
    }
);

/// Messages of `k` bits; `CLIENT` without `leaves`, `SERVER` with them.
pub fn compare_leaf(
    k: u32,
    p: &Params,
    keys: &[u32],
    delta: &[u64],
    thresholds: &[u64],
    leaves: Option<&[u32]>,
    [msg, signs]: [&mut [u32]; 2],
) {
    msg[..p.rows * p.n / 4].fill(0);
    signs[..p.rows * p.n.div_ceil(32)].fill(0);
    for i in 0..p.rows * p.n {
        let (e, row) = (i % p.n, i / p.n);
        let (threshold, group) = (thresholds[row / p.groups], row % p.groups);
        let difference = delta[e].wrapping_sub(threshold);
        signs[e / 32 * p.rows + row] |= r_bit(difference, p.hi - 1) << (e % 32);
        let v = r_low(r_low(difference, p.hi) >> p.lo, p.hi - p.lo - 1) >> (16 * group);
        let at = group * p.n + e;
        let leaf = match leaves {
            None => r_low(element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], k, at), k),
            Some(leaves) => unpack::element(leaves, k, at),
        };
        let mut byte = 0;
        for q in 0..4 {
            let values = (1 << digit(k)) - 1;
            // Bit j is [l = j + 1].
            let hot: Vec<u64> = (0..values).map(|j| leaf >> (values * q + j) & 1).collect();
            let digit = v as usize >> (digit(k) as usize * q) & values;
            let g = hot[digit..].iter().fold(0, |v, bit| v ^ bit);
            let e = match digit {
                0 => hot.iter().fold(p.first.into(), |v, bit| v ^ bit),
                _ => hot[digit - 1],
            };
            byte |= g << q | e << (4 + q);
        }
        let own = mask(keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], p.rows, row, e);
        msg[i / 4] |= ((byte as u32 ^ own) & 0xff) << (8 * (i % 4));
    }
}
