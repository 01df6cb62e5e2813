//! Piecewise polynomials of a masked wire.

use super::prg::{ROUNDS, element};
use super::ring::{r_bit, r_low};
use super::segment::{NONE, indicator};
use super::unpack;
use crate::correlated::elements_of_block;

params!(
    /// As in the shader.
    Params {
        n: usize, k: u32, segments: usize, levels: usize, first: u32,
        dealt0: u32, dealt1: u32, dealt2: u32, change0: u32, change1: u32, change2: u32,
        ring: u32, cut: u32, add: u64,
    }
);

/// Element of the client's stream that masks element `t` of `n` of dealt word `word`: in groups of 8, the words of a section
/// share blocks, and every section has its own.
pub fn place(k: u32, n: usize, sections: &[usize], word: usize, t: usize) -> usize {
    let shared = elements_of_block(k) / 8;
    let (mut word, mut row) = (word, 0);
    for words in sections {
        if word < *words {
            break;
        }
        word -= words;
        row += words.div_ceil(shared);
    }
    let block = (row + word / shared) * (n / 8) + t / 8;
    8 * (block * shared + word % shared) + t % 8
}

/// Dealt words of `k` bits of `n` elements: with `CLIENT` drawn by the keys, else those of the dealer's message.
pub fn dealt(keys: &[u32], nonce: [u32; 3], message: Option<&[u32]>, k: u32, n: usize, sections: &[usize]) -> Vec<u64> {
    let word = |i| match message {
        None => r_low(element(ROUNDS, keys, 0, nonce, k, place(k, n, sections, i / n, i % n)), k),
        Some(message) => unpack::element(message, k, i),
    };
    (0..n * sections.iter().sum::<usize>()).map(word).collect()
}

/// c_i(u), the coefficient of z^i in P(u + z): sum over j of binomial(j, i) c_j u^(j - i).
fn taylor(c: &[u64], u: u64, i: usize) -> u64 {
    (i..c.len()).fold(0u64, |sum, j| {
        let binomial = (0..i).fold(1, |b, l| b * (j - l) as u64 / (l + 1) as u64);
        sum.wrapping_add(binomial.wrapping_mul(c[j]).wrapping_mul(u.wrapping_pow((j - i) as u32)))
    })
}

/// What the kernel reads beside the table: the opened words and bits, and the dealt words.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Opened words.
    pub delta: &'a [u64],
    /// Opened bits.
    pub bits: &'a [u32],
    /// Words of [`dealt`].
    pub dealt: &'a [u64],
    /// With `WIDE`, for any second width, the carry of the mask's shares, and the changes for the signed reading.
    pub change: &'a [u64],
    /// Own share of the mask.
    pub lam: &'a [u64],
    /// With `ADD`, what is added to.
    pub sum: Option<&'a [u64]>,
}

/// `D1` to `D4` for `degree`, with `WIDE` if `wide`.
pub fn piecewise(degree: usize, wide: bool, p: &Params, x: &Inputs<'_>, table: &[u64], out: &mut [u64]) {
    for t in 0..p.n {
        let h = 1u64 << (p.k - 2);
        let d = r_low(x.delta[t].wrapping_add(h), p.k);
        let u = if wide { d.wrapping_sub(h) } else { x.delta[t] };
        let signed = wide && r_bit(d, p.k - 1) == 0;
        let at = |words: &[u64], word: usize| words[word * p.n + t];
        let change = |word: usize| if signed { at(x.change, 1 + word) << p.k } else { 0 };
        // Share of M^i.
        let power = |i: usize| match i {
            0 => p.first.into(),
            1 if wide => x.lam[t].wrapping_sub(at(x.change, 0) << p.k).wrapping_add(change(0)),
            1 => x.lam[t],
            _ => at(x.dealt, i - 2).wrapping_add(change(i - 1)),
        };
        let powers = degree - 1;
        let (mut y, mut chosen) = (x.sum.map_or(0, |sum| sum[t]), 0);
        for row in table.chunks(3 + degree).take(p.segments) {
            let (b0, b1, c) = (row[0] as u32, row[1] as u32, &row[2..]);
            let selective = b0 != NONE || b1 != NONE;
            let q = if selective { indicator(p.levels, x.bits, b0, b1, t) } else { 1 };
            for i in 0..=degree {
                let first = powers + chosen * (degree + 1);
                let beta_power = match (selective, i) {
                    (false, _) => 0,
                    (true, 0) => at(x.dealt, first + degree),
                    (true, _) => at(x.dealt, first + i - 1).wrapping_add(change(degree * (1 + chosen) + i - 1)),
                };
                let m = if q == 1 { power(i).wrapping_sub(beta_power) } else { beta_power };
                let term = taylor(c, u, i).wrapping_mul(m);
                y = if i % 2 == 1 { y.wrapping_sub(term) } else { y.wrapping_add(term) };
            }
            chosen += usize::from(selective);
        }
        out[t] = if p.cut > 0 { r_low(y.wrapping_add(p.add), p.ring) >> p.cut } else { y };
    }
}
