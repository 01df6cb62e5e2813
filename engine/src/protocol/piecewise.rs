//! Piecewise polynomials of a masked wire. Source: protocol.md sections 3 and 6.
//!
//! `y = sum over s of ind_s P_s(x)`, evaluated locally once the comparison bits are opened: with `x = u - M`, `u` public,
//! `P_s(x)` is a combination of dealt powers of the mask, and `ind_s P_s(x)` one of dealt products with the bit masks.
//! Exact in the ring: outside its segment a polynomial may wrap, it is multiplied by 0.

use super::{Bits, Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::Kernel;
use crate::{args, bufs};

/// A polynomial on `T_above <= x < T_below`.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Index of the threshold at the lower border; `None` reaches down to minus infinity.
    pub above: Option<usize>,
    /// Index of the threshold at the upper border; `None` reaches up to infinity.
    pub below: Option<usize>,
    /// Real coefficients of 1, x, x^2, .., degree at most 4.
    pub coefficients: Vec<f64>,
}

/// Segments ready for the ring.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<u64>,
    segments: usize,
    selected: usize,
    degree: usize,
    /// Fraction bits of the result.
    pub f: u32,
}

impl Table {
    /// Encodes segments for a wire with `fx` fraction bits and a result with `f`: the coefficient of `x^j` becomes
    /// `round(a_j 2^(f - j fx))`.
    pub fn new(segments: &[Segment], fx: u32, f: u32) -> Result<Self, Error> {
        let degree = segments.iter().map(|s| s.coefficients.len() - 1).max().unwrap_or(0);
        assert!(degree <= 4, "polynomials of degree 4 at most, got {degree}");
        let mut rows = Vec::new();
        let bit = |b: Option<usize>| b.map_or(u64::from(u32::MAX), |b| b as u64);
        for s in segments {
            rows.extend([bit(s.below), bit(s.above)]);
            for j in 0..=degree {
                let a = s.coefficients.get(j).copied().unwrap_or(0.0);
                let v = (a * (f as f64 - j as f64 * fx as f64).exp2()).round();
                if v.abs() >= 2f64.powi(63) || !v.is_finite() {
                    return Err(Error::Range(format!("coefficient {a} of x^{j} does not fit 64 bits at 2^-{f}")));
                }
                rows.push(v as i64 as u64);
            }
        }
        let selected = segments.iter().filter(|s| s.above.is_some() || s.below.is_some()).count();
        Ok(Self { rows, segments: segments.len(), selected, degree, f })
    }

    /// Dealt words per element.
    fn words(&self, branches: usize) -> usize {
        branches * self.degree * (1 + self.selected) + self.selected
    }
}

/// Branches of the integer mask that are dealt: one if the result stays in the wire's ring, else two.
fn branches(wire: u32, to: u32) -> usize {
    if to > wire { 2 } else { 1 }
}

/// Evaluates a table on a wire.
///
/// * Before: wire in Z_2^k with `|x| < 2^(k-2)`, masked bits of comparisons over the same elements. After: additive share
///   in Z_2^to with the table's fraction bits; the final value must fit, intermediate powers may wrap.
/// * Error: rounding of the coefficients only.
/// * Cost: see [`piecewise_cost`]; nothing online.
pub fn piecewise(ctx: &mut Ctx, x: &Wire, bits: Option<&Bits>, table: &Table, to: u32) -> Result<Share, Error> {
    let n = x.n;
    let branches = branches(x.k, to);
    let words = table.words(branches);
    let rows = ctx.rec.upload_slice(&table.rows)?;
    let (segments, selected, degree) = (table.segments, table.selected, table.degree);
    // Degree 1 over whole groups of eight has kernels of its own, with the same words in the same order.
    let linear = degree == 1 && n.is_multiple_of(8);
    let dealt = if words == 0 {
        None
    } else {
        ctx.deal(n * words, to, false, |rec| {
            let out = rec.words(n * words)?;
            if linear {
                rec.run(
                    &Kernel::new("piecewise_linear_deal"),
                    args![n: n, k: x.k, branches: branches, segments: segments, selected: selected],
                    bufs![lam: &x.lam, masks: bits.map_or(&x.lam, |b| &b.masks), table: &rows, out: &out],
                    n / 8,
                )?;
                return Ok(out);
            }
            rec.run(
                &Kernel::new("piecewise_deal"),
                args![n: n, k: x.k, branches: branches, segments: segments, selected: selected, degree: degree],
                bufs![lam: &x.lam, masks: bits.map_or(&x.lam, |b| &b.masks), table: &rows, out: &out],
                n,
            )?;
            Ok(out)
        })?
    };
    let buf = match dealt {
        Some(dealt) => {
            let out = ctx.rec.words(n)?;
            let opened = bits.and_then(|b| b.opened.as_ref());
            let none = ctx.rec.alloc(16)?;
            let bits = opened.unwrap_or(&none);
            let (linear_kernel, kernel) = (Kernel::new("piecewise_linear"), Kernel::new("piecewise"));
            let first = ctx.first();
            if linear {
                ctx.rec.run(
                    &linear_kernel,
                    args![n: n, k: x.k, branches: branches, segments: segments, selected: selected, first: first],
                    bufs![delta: x.opened(), bits: bits, table: &rows, dealt: &dealt, out: &out],
                    n / 8,
                )?;
            } else {
                ctx.rec.run(
                    &kernel,
                    args![n: n, k: x.k, branches: branches, segments: segments, selected: selected, degree: degree,
                        first: first],
                    bufs![delta: x.opened(), bits: bits, table: &rows, dealt: &dealt, out: &out],
                    n,
                )?;
            }
            Some(out)
        }
        None => None,
    };
    Ok(Share { n, k: to, f: table.f, buf })
}

/// Cost of [`piecewise`]: offline `to` bits for each of `b d (1 + s) + s` words an element (`b` = 2 if the ring grows,
/// else 1; `d` the degree, `s` the segments that are selected).
pub fn piecewise_cost(n: usize, table: &Table, wire: u32, to: u32) -> Cost {
    Cost { offline: packed_bytes(n * table.words(branches(wire, to)), to), ..Cost::default() }
}

/// A polynomial with real coefficients, degree 1 to 4, without comparison: local but for the dealt powers.
pub fn polynomial(ctx: &mut Ctx, x: &Wire, coefficients: &[f64], f: u32, to: u32) -> Result<Share, Error> {
    let segment = Segment { above: None, below: None, coefficients: coefficients.to_vec() };
    let table = Table::new(&[segment], x.f, f)?;
    piecewise(ctx, x, None, &table, to)
}
