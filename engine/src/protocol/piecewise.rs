//! Piecewise polynomials of a masked wire. Source: protocol.md sections 3 and 6.
//!
//! `y = sum over s of ind_s P_s(x)`, evaluated locally once the comparison bits are opened: with `x = u - M`, `u` public,
//! `P_s(x)` is a combination of dealt powers of the mask, and `ind_s P_s(x)` one of dealt products with the bit masks.
//! Exact in the ring: outside its segment a polynomial may wrap, it is multiplied by 0.

use super::compare::row;
use super::open::carry_bits;
use super::{Bits, Cost, Ctx, Error, Role, Share, Wire, packed_bytes};
use crate::args;
use crate::gpu::{Buf, Kernel};

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
        let selected = segments.iter().filter(|s| s.above.is_some() || s.below.is_some()).count();
        assert!(selected == segments.len() || segments.len() == 1, "a polynomial that is on everywhere is alone");
        let degree = segments.iter().map(|s| s.coefficients.len() - 1).max().unwrap_or(0).max(1);
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
        Ok(Self { rows, segments: segments.len(), selected, degree, f })
    }

    /// Dealt words of an element for a result in `to` bits: those of `to` bits, and those of which only the part above the
    /// wire's ring is sent: the carry of the mask's shares, and what changes for the signed reading of the mask.
    fn words(&self, wire: u32, to: u32) -> (usize, usize) {
        let selected = self.selected * (self.degree + 1);
        let changes = if to > wire { 1 + self.degree * (1 + self.selected) } else { 0 };
        (self.degree - 1 + selected, changes)
    }

    /// Most dealt words of an element that lie in one buffer.
    pub(super) fn dealt_words(&self, wire: u32, to: u32) -> usize {
        let (words, changes) = self.words(wire, to);
        words.max(changes)
    }

    /// Whether this is one polynomial, everywhere.
    fn always(&self) -> bool {
        self.selected == 0
    }

    /// The kernel for this degree.
    fn kernel(&self, file: &'static str, wide: bool) -> Kernel {
        let kernel = Kernel::new(file).with(["D1", "D2", "D3", "D4"][self.degree - 1]);
        let kernel = if self.always() { kernel.with("ALWAYS") } else { kernel };
        if wide { kernel.with("WIDE") } else { kernel }
    }
}

/// Evaluates a table on a wire.
///
/// * Before: wire in Z_2^k with `|x| < 2^(k-2)` (any x if the result's ring is no larger), masked bits of comparisons over the
///   same elements. After: additive share in Z_2^to with the table's fraction bits; the final value must fit, intermediate
///   powers may wrap.
/// * Error: rounding of the coefficients only.
/// * Cost: see [`piecewise_cost`]; nothing online.
pub fn piecewise(ctx: &mut Ctx, x: &Wire, bits: Option<&Bits>, table: &Table, to: u32) -> Result<Share, Error> {
    let n = row(x.n);
    let wide = to > x.k;
    let (words, changes) = table.words(x.k, to);
    let (n_words, n_changes) = (n * words, n * changes);
    let rows = ctx.rec.upload_slice(&table.rows)?;
    let segments = table.segments;
    // What is not read is bound all the same.
    let none = ctx.rec.alloc(64)?;
    let levels = bits.map_or(0, |b| b.thresholds);
    let masks = bits.map_or(&none, |b| &b.masks);
    let mut targets = None;
    if ctx.role == Role::Dealer {
        let (out, change) = (ctx.rec.words(n_words.max(8))?, ctx.rec.words(n_changes.max(8))?);
        let mut args = args![n: n, k: x.k].to_vec();
        let mut used = vec![("lam", &x.lam), ("out", &out)];
        if !table.always() {
            args.extend(args![segments: segments, levels: levels]);
            used.extend([("bits", masks), ("table", &rows)]);
        }
        if wide {
            used.push(("change", &change));
        }
        if words + changes > 0 {
            ctx.rec.run(&table.kernel("piecewise_deal", wide), &args, &used, n / 8)?;
        }
        targets = Some((out, change));
    }
    let target = |which: fn(&(Buf, Buf)) -> &Buf| which(targets.as_ref().expect("made at the dealer")).clone();
    let mut dealt = None;
    if words > 0 {
        dealt = ctx.deal(n_words, to, |_| Ok(target(|t| &t.0)))?;
    }
    let mut change = None;
    if wide {
        change = ctx.deal(n_changes, carry_bits(x.k, to), |_| Ok(target(|t| &t.1)))?;
    }
    let mut buf = None;
    if ctx.is_party() {
        let out = ctx.rec.words(n)?;
        let bits = bits.and_then(|b| b.opened.as_ref()).unwrap_or(&none);
        let dealt = dealt.as_ref().unwrap_or(&none);
        let mut args = args![n: n, k: x.k, first: ctx.first()].to_vec();
        let mut used = vec![("delta", x.opened()), ("table", &rows), ("dealt", dealt), ("out", &out)];
        used.push(("lam", &x.lam));
        used.extend(change.as_ref().map(|c| ("change", c)));
        if !table.always() {
            args.extend(args![segments: segments, levels: levels]);
            used.push(("bits", bits));
        }
        ctx.rec.run(&table.kernel("piecewise", wide), &args, &used, n / 8)?;
        buf = Some(out);
    }
    Ok(Share { n: x.n, k: to, f: table.f, buf })
}

/// Cost of [`piecewise`], for degree `d` and `s` segments that are selected, elements in whole groups of 8. Offline
/// `d - 1 + s (d + 1)` words of `to` bits, and beyond the wire's ring `1 + d (1 + s)` of `to - k` bits (rounded up to a
/// multiple of 4).
pub fn piecewise_cost(n: usize, table: &Table, wire: u32, to: u32) -> Cost {
    let (words, changes) = table.words(wire, to);
    let mut offline = packed_bytes(row(n) * words, to);
    if to > wire {
        offline += packed_bytes(row(n) * changes, carry_bits(wire, to));
    }
    Cost { offline, ..Cost::default() }
}

/// A polynomial with real coefficients, degree 1 to 4, without comparison: local but for the dealt powers.
pub fn polynomial(ctx: &mut Ctx, x: &Wire, coefficients: &[f64], f: u32, to: u32) -> Result<Share, Error> {
    let segment = Segment { above: None, below: None, coefficients: coefficients.to_vec() };
    let table = Table::new(&[segment], x.f, f)?;
    piecewise(ctx, x, None, &table, to)
}
