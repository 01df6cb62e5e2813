//! Fixed point of values that one party knows.

params!(
    /// As in the shader.
    Params { n: usize, scale: f32 }
);

/// Without switches.
pub fn encode(p: &Params, x: &[f32], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = (x[t] * p.scale).round_ties_even() as i64 as u64;
    }
}
