//! The wire format, bit by bit: element `i` of `k` bits starts at bit `i k`.

use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, shift: u32 }
);

/// Writes a group of 8 elements, which fill `k / 4` words.
pub fn pack8(v: [u64; 8], k: u32, group: usize, msg: &mut [u32]) {
    let words = k as usize / 4;
    let msg = &mut msg[group * words..(group + 1) * words];
    msg.fill(0);
    for (i, e) in v.into_iter().enumerate() {
        for b in 0..k {
            let at = i * k as usize + b as usize;
            msg[at / 32] |= r_bit(e, b) << (at % 32);
        }
    }
}

/// Without switches.
pub fn pack(p: &Params, x: &[u64], msg: &mut [u32]) {
    for t in 0..p.n.div_ceil(8) {
        let mut s = [0; 8];
        for i in 0..8 {
            if t * 8 + i < p.n {
                s[i] = x[t * 8 + i] >> p.shift;
            }
        }
        pack8(s, p.k, t, msg);
    }
}
