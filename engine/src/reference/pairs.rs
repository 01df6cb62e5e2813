//! Pairs of a tournament's level.

use super::coarse::coarse;

params!(
    /// As in the shader.
    Params { n: usize, half: usize, width: usize, shift: u32 }
);

/// The two elements of pair `t`.
pub fn pair(x: &[u64], half: usize, width: usize, t: usize) -> [u64; 2] {
    let at = t / half * width + t % half;
    [x[at], x[at + width - half]]
}

/// Without switches, and `EIGHTS`.
pub fn pairs(p: &Params, x: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let [a, b] = pair(x, p.half, p.width, t).map(|v| coarse(v, p.shift));
        out[t] = a.wrapping_sub(b).into();
    }
}
