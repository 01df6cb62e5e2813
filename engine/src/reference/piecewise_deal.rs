//! Dealer's words for piecewise polynomials.

use super::pack::pack8;
use super::piecewise::place;
use super::prg::{ROUNDS, element};
use super::ring::r_low;
use super::segment::NONE;

params!(
    /// As in the shader.
    Params {
        n: usize, k: u32, segments: usize, levels: usize,
        dealt0: u32, dealt1: u32, dealt2: u32, change0: u32, change1: u32, change2: u32,
    }
);

/// `((m - 2^k t)^i - m^i) / 2^k` for the signed reading of a mask m, whose top bit is t.
fn changed(l: u64, k: u32, i: u32) -> u64 {
    let signed = i128::from((l << (64 - k)) as i64 >> (64 - k));
    // Below 2^128 nothing is lost that the 64 bits above bit k show.
    let difference = signed.wrapping_pow(i).wrapping_sub(i128::from(l).wrapping_pow(i));
    (difference >> k) as u64
}

/// A message to fill, the bits of its words, and its sections.
pub type Message<'a> = Option<(u32, &'a [usize], &'a mut [u32])>;

/// `D1` to `D4` for `degree`; messages for the widths that the kernel is compiled for.
pub fn piecewise_deal(
    degree: usize,
    p: &Params,
    keys: &[u32],
    lam: &[u64],
    beta: &[u32],
    table: &[u64],
    [dealt, change]: [Message<'_>; 2],
) {
    let wide = change.is_some();
    let changed = |l, i| if wide { changed(l, p.k, i) } else { 0 };
    // Of each element.
    let (mut words, mut changes) = (vec![], vec![]);
    for t in 0..p.n {
        let l = r_low(lam[t], p.k);
        let degrees = 1..=degree as u32;
        let mut own: Vec<u64> = degrees.clone().skip(1).map(|i| l.wrapping_pow(i)).collect();
        let mut changed_own = vec![if wide { lam[t] >> p.k } else { 0 }];
        changed_own.extend(degrees.clone().map(|i| changed(l, i)));
        for row in table.chunks(3 + degree).take(p.segments) {
            let bounds = [row[0] as u32, row[1] as u32];
            if bounds == [NONE; 2] {
                continue;
            }
            let bit = bounds
                .iter()
                .filter(|b| **b != NONE)
                .fold(0, |v, b| v ^ beta[t / 32 * p.levels + *b as usize] >> (t % 32) & 1);
            own.extend(degrees.clone().map(|i| u64::from(bit).wrapping_mul(l.wrapping_pow(i))));
            own.push(bit.into());
            changed_own.extend(degrees.clone().map(|i| u64::from(bit).wrapping_mul(changed(l, i))));
        }
        words.push(own);
        changes.push(changed_own);
    }
    let nonces = [[p.dealt0, p.dealt1, p.dealt2], [p.change0, p.change1, p.change2]];
    for ((message, of), nonce) in [dealt, change].into_iter().zip([words, changes]).zip(nonces) {
        let Some((k, sections, msg)) = message else { continue };
        for i in (0..of[0].len() * p.n).step_by(8) {
            let word = |i: usize| {
                let (word, t) = (i / p.n, i % p.n);
                let drawn = element(ROUNDS, keys, 0, nonce, k, place(k, p.n, sections, word, t));
                of[t][word].wrapping_sub(drawn)
            };
            pack8(std::array::from_fn(|e| word(i + e)), k, i / 8, msg);
        }
    }
}
