//! Sums over groups of elements.

params!(
    /// As in the shader.
    Params {
        groups: usize, parts: usize, len: usize, offset: usize, jd: usize, jo: usize, ji: usize, rd: usize, ro: usize,
        first: u32, out_row: usize, out_start: usize
    }
);

fn sums(p: &Params, out: &mut [u64], v: impl Fn(usize) -> u64) {
    for j in 0..p.groups {
        for q in 0..p.parts {
            let mut sum = 0u64;
            for r in (q..p.len).step_by(p.parts) {
                let group = p.offset + (j / p.jd) * p.jo + (j % p.jd) * p.ji;
                sum = sum.wrapping_add(v(group + (r / p.rd) * p.ro + r % p.rd));
            }
            out[j * p.out_row + p.out_start + q] = sum;
        }
    }
}

/// Without switches.
pub fn reduce(p: &Params, x: &[u64], out: &mut [u64]) {
    sums(p, out, |at| x[at]);
}

/// `SQUARE`
pub fn square(p: &Params, x: &[u64], out: &mut [u64]) {
    sums(p, out, |at| x[at].wrapping_mul(x[at]));
}

/// `WIRE`
pub fn wire(p: &Params, x: &[u64], lam: &[u64], out: &mut [u64]) {
    sums(p, out, |at| {
        let public = if p.first == 1 { x[at].wrapping_mul(x[at]) } else { 0 };
        public.wrapping_sub(x[at].wrapping_mul(lam[at]).wrapping_mul(2))
    });
}
