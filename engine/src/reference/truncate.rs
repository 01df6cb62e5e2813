//! Local truncation.

use super::ring::r_low;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, shift: u32, add: u64 }
);

/// Without switches.
pub fn truncate(p: &Params, x: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = r_low(x[t].wrapping_add(p.add), p.k) >> p.shift;
    }
}
