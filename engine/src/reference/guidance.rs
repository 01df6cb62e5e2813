//! Guidance and sampler update on shares.

params!(
    /// As in the shader without switches.
    Params { n: usize, guided: u32, cz: u64, ca: u64, cb: u64 }
);

params!(
    /// As in the shader with `KNOWN`.
    KnownParams { n: usize, guided: u32, cz: u64, ca: u64, cb: u64, cc: u64 }
);

/// Without switches.
pub fn guidance(p: &Params, z: &[u64], e: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let mut v = p.cz.wrapping_mul(z[t]).wrapping_add(p.ca.wrapping_mul(e[t]));
        if p.guided == 1 {
            v = v.wrapping_add(p.cb.wrapping_mul(e[t + p.n]));
        }
        out[t] = v;
    }
}

/// `KNOWN`
pub fn known(p: &KnownParams, z: &[u64], e: &[u64], u: &[u64], out: &mut [u64]) {
    let KnownParams { n, guided, cz, ca, cb, cc } = *p;
    guidance(&Params { n, guided, cz, ca, cb }, z, e, out);
    for t in 0..n {
        out[t] = out[t].wrapping_add(cc.wrapping_mul(u[t]));
    }
}
