//! Sums with public factors.

use super::map::mapped;

params!(
    /// As in the shader without switches.
    Params { n: usize, ca: u64, cc: u64 }
);

params!(
    /// As in the shader with `TWO`.
    TwoParams { n: usize, block: usize, od: u32, om: u32, id: u32, im: u32, ca: u64, cb: u64, cc: u64 }
);

/// Without switches.
pub fn affine(p: &Params, a: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = p.cc.wrapping_add(p.ca.wrapping_mul(a[t]));
    }
}

/// `TWO`
pub fn two(p: &TwoParams, a: &[u64], b: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let other = p.cb.wrapping_mul(b[mapped(p.od, p.om, p.id, p.im, 8 * p.block + t)]);
        out[t] = p.cc.wrapping_add(p.ca.wrapping_mul(a[t])).wrapping_add(other);
    }
}

params!(
    /// As in the shader with `SAME`.
    SameParams { n: usize, ca: u64, cb: u64, cc: u64 }
);

/// `SAME`
pub fn same(p: &SameParams, a: &[u64], b: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let other = p.cb.wrapping_mul(b[t]);
        out[t] = p.cc.wrapping_add(p.ca.wrapping_mul(a[t])).wrapping_add(other);
    }
}
