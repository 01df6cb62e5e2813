//! Dealer's words for piecewise polynomials.

use super::ring::r_low;
use super::segment::NONE;

params!(
    /// As in the shader.
    Params { n: usize, k: u32, segments: usize, levels: usize }
);

/// `((m - 2^k t)^i - m^i) / 2^k` for the signed reading of a mask m, whose top bit is t.
fn changed(l: u64, k: u32, i: u32) -> u64 {
    let signed = i128::from((l << (64 - k)) as i64 >> (64 - k));
    // Below 2^128 nothing is lost that the 64 bits above bit k show.
    let difference = signed.wrapping_pow(i).wrapping_sub(i128::from(l).wrapping_pow(i));
    (difference >> k) as u64
}

/// `D1` to `D4` for `degree`, with `WIDE` if there is a `change` to write.
pub fn piecewise_deal(
    degree: usize,
    p: &Params,
    lam: &[u64],
    beta: &[u32],
    table: &[u64],
    out: &mut [u64],
    change: Option<&mut [u64]>,
) {
    let wide = change.is_some();
    let mut none = [];
    let change = change.unwrap_or(&mut none);
    for t in 0..p.n {
        let l = r_low(lam[t], p.k);
        let degrees = 1..=degree as u32;
        let mut words: Vec<u64> = degrees.clone().skip(1).map(|i| l.wrapping_pow(i)).collect();
        let mut changes: Vec<u64> = if wide { vec![lam[t] >> p.k] } else { vec![] };
        changes.extend(degrees.clone().map(|i| changed(l, p.k, i)));
        for row in table.chunks(3 + degree).take(p.segments) {
            let bounds = [row[0] as u32, row[1] as u32];
            if bounds == [NONE; 2] {
                continue;
            }
            let bit = bounds
                .iter()
                .filter(|b| **b != NONE)
                .fold(0, |v, b| v ^ beta[t / 32 * p.levels + *b as usize] >> (t % 32) & 1);
            words.extend(degrees.clone().map(|i| u64::from(bit).wrapping_mul(l.wrapping_pow(i))));
            words.push(bit.into());
            changes.extend(degrees.clone().map(|i| u64::from(bit).wrapping_mul(changed(l, p.k, i))));
        }
        words.iter().enumerate().for_each(|(w, v)| out[w * p.n + t] = *v);
        if wide {
            changes.iter().enumerate().for_each(|(w, v)| change[w * p.n + t] = *v);
        }
    }
}
