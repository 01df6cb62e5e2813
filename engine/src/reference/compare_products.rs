//! Dealer's part of a comparison, combining.

use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { count: usize, n: usize, sign: u32 }
);

/// Mask bits (of g0..g3 at 0 to 3, of e0..e3 at 4 to 7) whose product stands at each bit of a word, as `combine` reads them.
pub const FACTORS: [&[u32]; 23] = {
    const G: [u32; 3] = [0, 1, 2];
    const E: [u32; 4] = [4, 5, 6, 7];
    [
        &[E[3], G[2]],
        &[E[3], E[2]],
        &[E[3], G[1]],
        &[E[2], G[1]],
        &[E[3], E[2], G[1]],
        &[E[3], E[1]],
        &[E[3], G[0]],
        &[E[2], E[1]],
        &[E[2], G[0]],
        &[E[1], G[0]],
        &[E[3], E[2], E[1]],
        &[E[3], E[2], G[0]],
        &[E[3], E[1], G[0]],
        &[E[2], E[1], G[0]],
        &[E[3], E[2], E[1], G[0]],
        &[], // the sign
        &[E[3], E[0]],
        &[E[2], E[0]],
        &[E[1], E[0]],
        &[E[3], E[2], E[0]],
        &[E[3], E[1], E[0]],
        &[E[2], E[1], E[0]],
        &[E[3], E[2], E[1], E[0]],
    ]
};

/// Without switches.
pub fn compare_products(p: &Params, masks: &[u64], lam: &[u64], out: &mut [u64]) {
    for t in 0..p.count {
        let mut w = 0;
        for (at, factors) in FACTORS.iter().enumerate() {
            let product = match at {
                15 => r_bit(lam[t % p.n], p.sign),
                _ => factors.iter().fold(1, |v, i| v & r_bit(masks[t], *i)),
            };
            w |= u64::from(product) << at;
        }
        out[t] = w;
    }
}
