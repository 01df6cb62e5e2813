//! Reading the wire format, bit by bit.

use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, k: u32 }
);

/// Element `i` of a message.
pub fn element(msg: &[u32], k: u32, i: usize) -> u64 {
    (0..k).fold(0, |e, b| {
        let at = i * k as usize + b as usize;
        e | u64::from(msg[at / 32] >> (at % 32) & 1) << b
    })
}

/// Without switches.
pub fn unpack(p: &Params, a: &[u32], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = element(a, p.k, t);
    }
}

/// `SUM`
pub fn sum(p: &Params, a: &[u32], b: &[u32], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = r_low(element(a, p.k, t).wrapping_add(element(b, p.k, t)), p.k);
    }
}

/// `PLUS`
pub fn plus(p: &Params, a: &[u32], x: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = x[t].wrapping_add(element(a, p.k, t));
    }
}
