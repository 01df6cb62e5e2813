//! A wire's signed value in a larger ring.

use super::ring::{r_bit, r_low};

params!(
    /// As in the shader.
    Params { n: usize, k: u32, first: u32 }
);

/// Without switches.
pub fn lift(p: &Params, delta: &[u64], lam: &[u64], wrap: &[u64], top: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let h = 1u64 << (p.k - 2);
        let d = r_low(delta[t].wrapping_add(h), p.k);
        let high = if r_bit(d, p.k - 1) == 0 { wrap[t].wrapping_add(top[t]) } else { wrap[t] };
        let v = (high << p.k).wrapping_sub(lam[t]);
        out[t] = if p.first == 1 { v.wrapping_add(d.wrapping_sub(h)) } else { v };
    }
}
