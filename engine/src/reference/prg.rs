//! Random words of streams.

use super::chacha::chacha;
use super::ring::r_low;

/// Rounds of the generator that masks come from.
pub const ROUNDS: usize = 12;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, key: u32, n0: u32, n1: u32, n2: u32, block: usize }
);

/// Eight ring words from block `block` of stream (key, nonce).
pub fn prg8(rounds: usize, keys: &[u32], key: usize, nonce: [u32; 3], block: usize) -> [u64; 8] {
    let [n0, n1, n2] = nonce;
    let b = chacha(rounds, &keys[8 * key..8 * key + 8], [block as u32, n0, n1, n2]);
    std::array::from_fn(|i| u64::from(b[2 * i]) | u64::from(b[2 * i + 1]) << 32)
}

/// Without switches, and with `CHACHA20` for 20 rounds.
pub fn prg(rounds: usize, p: &Params, keys: &[u32], out: &mut [u64]) {
    for at in 0..p.n {
        out[at] = r_low(prg8(rounds, keys, p.key as usize, [p.n0, p.n1, p.n2], p.block + at / 8)[at % 8], p.k);
    }
}

/// `BOTH`, and with `xor` `BOTH XOR`.
pub fn both(xor: bool, p: &Params, keys: &[u32], out: &mut [u64]) {
    for at in 0..p.n {
        let [a, b] =
            [0, 1].map(|key| r_low(prg8(ROUNDS, keys, key, [p.n0, p.n1, p.n2], p.block + at / 8)[at % 8], p.k));
        out[at] = if xor { a ^ b } else { a.wrapping_add(b) };
    }
}
