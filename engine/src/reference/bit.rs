//! One bit of every word.

use super::ring::r_bit;

params!(
    /// As in the shader.
    Params { n: usize, at: u32 }
);

/// Without switches.
pub fn bit(p: &Params, x: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = r_bit(x[t], p.at).into();
    }
}
