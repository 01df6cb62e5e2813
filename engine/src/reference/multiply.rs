//! Product of two masked wires.

use super::map::mapped;

params!(
    /// As in the shader.
    Params { n: usize, block: usize, first: u32, od: u32, om: u32, id: u32, im: u32 }
);

params!(
    /// As in the shader with `SAME`.
    SameParams { n: usize, first: u32 }
);

impl Params {
    /// The element of y for element `t` of x.
    fn at(&self, t: usize) -> usize {
        mapped(self.od, self.om, self.id, self.im, 8 * self.block + t)
    }
}

impl From<&SameParams> for Params {
    fn from(p: &SameParams) -> Self {
        Params { n: p.n, block: 0, first: p.first, od: u32::MAX, om: 0, id: 1, im: u32::MAX }
    }
}

/// Without switches, and `SAME`.
pub fn multiply(p: &Params, lx: &[u64], ly: &[u64], dx: &[u64], dy: &[u64], c: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let j = p.at(t);
        let public = if p.first == 1 { dx[t].wrapping_mul(dy[j]) } else { 0 };
        let (x, y) = (dx[t].wrapping_mul(ly[j]), dy[j].wrapping_mul(lx[t]));
        out[t] = public.wrapping_sub(x).wrapping_sub(y).wrapping_add(c[t]);
    }
}

/// `DEALER`, and `DEALER SAME`.
pub fn dealer(p: &Params, lx: &[u64], ly: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = lx[t].wrapping_mul(ly[p.at(t)]);
    }
}
