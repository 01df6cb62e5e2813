//! Leaves of a comparison with digits of 7 bits.

use super::compare_products::mask;
use super::ring::{r_bit, r_low};

params!(
    /// As in the shader.
    Params { n: usize, rows: usize, lo: u32, hi: u32, first: u32, m0: u32, m1: u32, m2: u32 }
);

/// `hot` holds a share of the one-hots of 4 digits, with `TWO` of 2.
pub fn compare_wide(
    p: &Params,
    keys: &[u32],
    delta: &[u64],
    thresholds: &[u64],
    hot: &[u64],
    [msg, signs]: [&mut [u32]; 2],
) {
    msg[..p.rows * p.n / 4].fill(0);
    signs[..p.rows * p.n.div_ceil(32)].fill(0);
    for i in 0..p.rows * p.n {
        let (e, row) = (i % p.n, i / p.n);
        let difference = delta[e].wrapping_sub(thresholds[row]);
        signs[e / 32 * p.rows + row] |= r_bit(difference, p.hi - 1) << (e % 32);
        let v = r_low(r_low(difference, p.hi) >> p.lo, p.hi - p.lo - 1);
        let mut byte = 0;
        for q in 0..hot.len() / p.n / 2 {
            // Bit j is [l = j].
            let hot = |j: usize| (hot[(2 * q + j / 64) * p.n + e] >> (j % 64) & 1) as u32;
            let digit = (v >> (7 * q)) as usize & 127;
            byte |= (digit + 1..128).fold(0, |g, j| g ^ hot(j)) << q | hot(digit) << (4 + q);
        }
        let own = mask(keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], p.rows, row, e);
        msg[i / 4] |= ((byte ^ own) & 0xff) << (8 * (i % 4));
    }
}
