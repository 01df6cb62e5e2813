//! Leaves of a comparison.

use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, groups: usize, count: usize, lo: u32, hi: u32, first: u32 }
);

/// Without switches.
pub fn compare_leaf(p: &Params, delta: &[u64], thresholds: &[u64], leaves: &[u64], masks: &[u64], msg: &mut [u32]) {
    msg[..p.count.div_ceil(4)].fill(0);
    for i in 0..p.count {
        let (at, group, threshold) = (i % p.n, i / p.n % p.groups, i / (p.n * p.groups));
        let window = r_low(delta[at].wrapping_sub(thresholds[threshold]), p.hi) >> p.lo;
        let v = r_low(window, p.hi - p.lo - 1) >> (16 * group);
        let leaf = leaves[group * p.n + at];
        let mut byte = 0;
        for q in 0..4 {
            // Bit j is [l = j + 1].
            let hot: [u64; 15] = std::array::from_fn(|j| leaf >> (15 * q + j) & 1);
            let nibble = (v >> (4 * q) & 15) as usize;
            let g = hot[nibble..].iter().fold(0, |v, bit| v ^ bit);
            let e = match nibble {
                0 => hot.iter().fold(p.first.into(), |v, bit| v ^ bit),
                _ => hot[nibble - 1],
            };
            byte |= g << q | e << (4 + q);
        }
        msg[i / 4] |= (byte as u32 ^ masks[i] as u32 & 0xff) << (8 * (i % 4));
    }
}
