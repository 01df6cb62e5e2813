//! Product of two masked wires.

use super::map::mapped;

params!(
    /// As in the shader.
    Params { n: usize, first: u32, od: u32, om: u32, id: u32, im: u32 }
);

/// Without switches.
pub fn multiply(p: &Params, lx: &[u64], ly: &[u64], dx: &[u64], dy: &[u64], c: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let j = mapped(p.od, p.om, p.id, p.im, t);
        let public = if p.first == 1 { dx[t].wrapping_mul(dy[j]) } else { 0 };
        let (x, y) = (dx[t].wrapping_mul(ly[j]), dy[j].wrapping_mul(lx[t]));
        out[t] = public.wrapping_sub(x).wrapping_sub(y).wrapping_add(c[t]);
    }
}

/// `DEALER`
pub fn dealer(p: &Params, lx: &[u64], ly: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        out[t] = lx[t].wrapping_mul(ly[mapped(p.od, p.om, p.id, p.im, t)]);
    }
}
