//! End of a tournament's level.

use super::chosen::chosen;
use super::coarse::coarse;
use super::pack::pack8;
use super::pairs::pair;
use super::prg::{ROUNDS, element};
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, half: usize, width: usize, shift: u32, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// What the kernel reads: opened values, own share of their masks, opened bits.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Opened values.
    pub delta: &'a [u64],
    /// Own share of their masks.
    pub lam: &'a [u64],
    /// Opened bits.
    pub bits: &'a [u32],
}

/// Also with `EIGHTS`; `CLIENT` without `dealt`, `SERVER` with it.
pub fn maximum(p: &Params, keys: &[u32], x: &Inputs<'_>, dealt: Option<&[u32]>, out: &mut [u64], msg: &mut [u32]) {
    let word = |t: usize, which: usize| {
        let at = (t / 8 * 2 + which) * 8 + t % 8;
        match dealt {
            None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, at) as u32,
            Some(dealt) => unpack::element(dealt, 16, at) as u32,
        }
    };
    for g in 0..p.n.div_ceil(8) {
        let mut s = [0; 8];
        for t in 8 * g..p.n.min(8 * g + 8) {
            let [a, b] = pair(x.delta, p.half, p.width, t).map(|v| coarse(v, p.shift));
            let [la, lb] = pair(x.lam, p.half, p.width, t).map(|v| coarse(v, p.shift));
            let d = a.wrapping_sub(b);
            let on = x.bits[t / 32] >> (t % 32) & 1 == 0;
            let gain = chosen(d, la.wrapping_sub(lb), [0, 1].map(|which| word(t, which)), on, p.first);
            let winner = p.first.wrapping_mul(b).wrapping_sub(lb).wrapping_add(gain);
            out[t] = element(ROUNDS, keys, 1 - p.first as usize, [p.m0, p.m1, p.m2], 16, t);
            s[t % 8] = u64::from(winner.wrapping_add(out[t] as u32));
        }
        pack8(s, 16, g, msg);
    }
}
