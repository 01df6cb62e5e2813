//! Opens packed bits.

params!(
    /// As in the shader.
    Params { n: usize }
);

/// Without switches.
pub fn xor(p: &Params, a: &[u32], b: &[u32], out: &mut [u32]) {
    for t in 0..p.n {
        out[t] = a[t] ^ b[t];
    }
}
