//! Random elements of streams.

use super::chacha::chacha;
use super::ring::r_low;
use super::shorts::shorts;
use crate::correlated::elements_of_block;

/// Rounds of the generator that masks come from.
pub const ROUNDS: usize = 12;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, key: u32, n0: u32, n1: u32, n2: u32, block: usize }
);

/// Block `at` of stream (key, nonce).
pub fn block(rounds: usize, keys: &[u32], key: usize, nonce: [u32; 3], at: usize) -> [u32; 16] {
    let [n0, n1, n2] = nonce;
    chacha(rounds, &keys[8 * key..8 * key + 8], [at as u32, n0, n1, n2])
}

/// Element `at` of the stream for a width of `k` bits: one of a block's 8, 16 or 32, not reduced mod 2^k.
pub fn element(rounds: usize, keys: &[u32], key: usize, nonce: [u32; 3], k: u32, at: usize) -> u64 {
    let per = elements_of_block(k);
    let b = block(rounds, keys, key, nonce, at / per);
    let i = at % per;
    match per {
        8 => u64::from(b[2 * i]) | u64::from(b[2 * i + 1]) << 32,
        16 => b[i].into(),
        _ => shorts(&b)[i].into(),
    }
}

/// Without switches, and with `CHACHA20` for 20 rounds.
pub fn prg(rounds: usize, p: &Params, keys: &[u32], out: &mut [u64]) {
    for at in 0..p.n {
        out[at] = r_low(
            element(rounds, keys, p.key as usize, [p.n0, p.n1, p.n2], p.k, p.block * elements_of_block(p.k) + at),
            p.k,
        );
    }
}

/// `BOTH`
pub fn both(p: &Params, keys: &[u32], out: &mut [u64]) {
    for at in 0..p.n {
        let [a, b] = [0, 1].map(|key| {
            r_low(element(ROUNDS, keys, key, [p.n0, p.n1, p.n2], p.k, p.block * elements_of_block(p.k) + at), p.k)
        });
        out[at] = a.wrapping_add(b);
    }
}

/// `BOTH SHIFTED`
pub fn shifted(p: &Params, keys: &[u32], shift: u32, out: &mut [u64]) {
    for at in 0..p.n {
        let own = |key| {
            let v = element(ROUNDS, keys, key, [p.n0, p.n1, p.n2], p.k, p.block * elements_of_block(p.k) + at);
            r_low(v, p.k) >> shift
        };
        out[at] = own(0) + own(1);
    }
}
