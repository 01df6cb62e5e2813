//! Dealer's part of a comparison, combining.

use super::pack::pack8;
use super::prg::{ROUNDS, block};
use super::ring::r_bit;
use super::shorts::shorts;

params!(
    /// As in the shader.
    Params { n: usize, rows: usize, sign: u32, n0: u32, n1: u32, n2: u32, m0: u32, m1: u32, m2: u32 }
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

/// The mask of element `e` of a row.
pub fn mask(keys: &[u32], key: usize, nonce: [u32; 3], rows: usize, row: usize, e: usize) -> u32 {
    shorts(&block(ROUNDS, keys, key, nonce, e / 32 * rows + row))[e % 32]
}

/// The client's share of the products of element `e` of a row, in a message of `k` bits: 16 or 24.
pub fn client_products(k: u32, keys: &[u32], nonce: [u32; 3], rows: usize, row: usize, e: usize) -> u32 {
    let at = e / 32 * rows + row;
    match k {
        16 => shorts(&block(ROUNDS, keys, 0, nonce, at))[e % 32],
        _ => block(ROUNDS, keys, 0, nonce, 2 * at + e % 32 / 16)[e % 16],
    }
}

/// The products of an instance with this mask byte and sign.
pub fn products(mask: u32, sign: u32) -> u32 {
    FACTORS.iter().enumerate().fold(0, |w, (at, factors)| {
        let product = match at {
            15 => sign,
            _ => factors.iter().fold(1, |v, i| v & mask >> i & 1),
        };
        w | product << at
    })
}

/// `K16`, which writes `beta`, and `K24`.
pub fn compare_products(k: u32, p: &Params, keys: &[u32], lam: &[u64], msg: &mut [u32], beta: &mut [u32]) {
    if k == 16 {
        beta[..p.n.div_ceil(32) * p.rows].fill(0);
    }
    for row in 0..p.rows {
        let word = |e: usize| {
            let [x, y] = [0, 1].map(|key| mask(keys, key, [p.m0, p.m1, p.m2], p.rows, row, e));
            let client = client_products(k, keys, [p.n0, p.n1, p.n2], p.rows, row, e);
            u64::from(products(x ^ y, r_bit(lam[e], p.sign)) ^ client)
        };
        for at in 0..p.n / 8 {
            pack8(std::array::from_fn(|i| word(8 * at + i)), k, row * p.n / 8 + at, msg);
        }
        for e in 0..if k == 16 { p.n } else { 0 } {
            let [x, y] = [0, 1].map(|key| mask(keys, key, [p.m0, p.m1, p.m2], p.rows, row, e));
            beta[e / 32 * p.rows + row] |= ((x ^ y) >> 8 & 1) << (e % 32);
        }
    }
}
