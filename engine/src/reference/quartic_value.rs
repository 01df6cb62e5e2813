//! A quartic's value.

use super::pack::pack8;
use super::prg::{ROUNDS, element};
use super::ring::r_low;
use super::unpack;

params!(
    /// As in the shader.
    Params {
        n: usize, first: u32, k: u32, b: u32, c: u32, d: u32, cut: u32, add: u32, w0: u32, w1: u32, w2: u32, m0: u32, m1: u32,
        m2: u32, q0: u32, q1: u32, q2: u32, n0: u32, n1: u32, n2: u32,
    }
);

/// What the kernel reads beside the keys: both messages of w, the opened x, the own share of its mask.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Own message of w.
    pub mine: &'a [u32],
    /// The peer's.
    pub theirs: &'a [u32],
    /// Opened x.
    pub delta: &'a [u64],
    /// Own share of its mask.
    pub lam: &'a [u64],
}

/// The signed value of an opened word in a ring of `k` bits for a value in its middle half, and whether the mask's top bit
/// counts.
pub fn signed(opened: u64, k: u32) -> (u64, bool) {
    let quarter = 1 << (k - 2);
    let e = opened.wrapping_add(quarter) & ((1 << k) - 1);
    (e.wrapping_sub(quarter), e >> (k - 1) == 0)
}

/// `CLIENT` without `dealt` (squares, words), `SERVER` with it.
pub fn quartic_value(p: &Params, keys: &[u32], x: &Inputs<'_>, dealt: Option<[&[u32]; 2]>, msg: &mut [u32]) {
    let key = 1 - p.first as usize;
    let value = |t: usize| {
        let square = match dealt {
            None => element(ROUNDS, keys, 0, [p.q0, p.q1, p.q2], 32, t),
            Some([squares, _]) => unpack::element(squares, 32, t),
        };
        let word = |which: usize| {
            let at = (t / 32 * 3 + which) * 32 + t % 32;
            match dealt {
                None => element(ROUNDS, keys, 0, [p.n0, p.n1, p.n2], 16, at),
                Some([_, words]) => unpack::element(words, 16, at),
            }
        };
        let own = element(ROUNDS, keys, key, [p.w0, p.w1, p.w2], 16, t);
        let (u, low) = signed(unpack::element(x.mine, 16, t) + unpack::element(x.theirs, 16, t), p.k);
        let keep = |v: u64, yes: bool| if yes { v } else { 0 };
        let m = r_low(own, p.k).wrapping_sub((word(0) + keep(word(1), low)) << p.k);
        let m2 = square.wrapping_sub(keep(word(2), low) << (p.k + 1));
        let [b, c, d] = [p.b, p.c, p.d].map(u64::from);
        let odd = |x: u64| d.wrapping_mul(x) << 8;
        let open = u.wrapping_mul(u).wrapping_add(b.wrapping_mul(u)).wrapping_add(c).wrapping_add(odd(x.delta[t]));
        let share = (u64::from(p.first).wrapping_mul(open))
            .wrapping_sub(u.wrapping_mul(2).wrapping_add(b).wrapping_mul(m))
            .wrapping_add(m2)
            .wrapping_sub(odd(x.lam[t]))
            .wrapping_add(p.add.into());
        ((share & 0xffff_ffff) >> p.cut) + element(ROUNDS, keys, key, [p.m0, p.m1, p.m2], 16, t)
    };
    for g in 0..p.n / 8 {
        pack8(std::array::from_fn(|i| value(8 * g + i)), 16, g, msg);
    }
}
