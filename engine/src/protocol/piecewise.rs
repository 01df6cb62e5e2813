//! Piecewise polynomials of a masked wire. Source: protocol.md sections 3 and 6.
//!
//! `y = sum over s of ind_s P_s(x)`, evaluated locally once the comparison bits are opened: with `x = u - M`, `u` public,
//! `P_s(x)` is a combination of dealt powers of the mask, and `ind_s P_s(x)` one of dealt products with the bit masks.
//! Exact in the ring: outside its segment a polynomial may wrap, it is multiplied by 0.

use super::compare::row;
use super::dealt::Dealt;
use super::local::rounding;
use super::open::carry_bits;
use super::{Bits, Cost, Ctx, Error, Role, Share, Wire, packed_bytes};
use crate::args;
use crate::gpu::{Buf, Kernel, Word};

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
    /// Binary logarithm of a factor.
    up: u32,
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
        Ok(Self { rows, segments: segments.len(), selected, degree, up: 0, f })
    }

    /// The same values with `up` more fraction bits, all 0, in a ring that is as much larger. Nothing more is dealt.
    pub(super) fn widened(mut self, up: u32) -> Self {
        let coefficients = self.rows.chunks_mut(3 + self.degree).flat_map(|row| &mut row[2..]);
        coefficients.for_each(|c| *c <<= up);
        Self { up: self.up + up, f: self.f + up, ..self }
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

    /// Whether it is one polynomial that is selected.
    fn one(&self) -> bool {
        self.selected == 1
    }

    /// A kernel for this degree and widths of dealt words.
    fn kernel(&self, kernel: Kernel, widths: (Option<u32>, Option<u32>)) -> Kernel {
        let kernel = kernel.with(["D1", "D2", "D3", "D4"][self.degree - 1]);
        let kernel = if self.always() { kernel.with("ALWAYS") } else { kernel };
        let kernel = if self.one() { kernel.with("ONE") } else { kernel };
        let kernel = widths.0.into_iter().fold(kernel, Kernel::bits);
        widths.1.into_iter().fold(kernel, Kernel::second)
    }
}

/// A party's dealt words: those of the result's ring, and those of what changes.
type Words = (Option<Dealt>, Option<Dealt>);
/// Where the dealer's words go: the client's stream and the message of either.
type Target<'a> = Option<([u32; 3], &'a Buf)>;

/// Parameters under which kernels know the addresses of streams.
const DEALT: [&str; 3] = ["dealt0", "dealt1", "dealt2"];
const CHANGE: [&str; 3] = ["change0", "change1", "change2"];

fn named(names: [&'static str; 3], nonce: [u32; 3]) -> impl Iterator<Item = (&'static str, Word)> {
    names.into_iter().zip(nonce.map(Word::from))
}

/// Evaluates a table on a wire.
///
/// * Before: wire in Z_2^k with `|x| < 2^(k-2)` (any x if the result's ring is no larger), masked bits of comparisons over the
///   same elements. After: additive share in Z_2^to with the table's fraction bits; the final value must fit, intermediate
///   powers may wrap.
/// * Error: rounding of the coefficients only.
/// * Cost: see [`piecewise_cost`]; nothing online.
pub fn piecewise(ctx: &mut Ctx, x: &Wire, bits: Option<&Bits>, table: &Table, to: u32) -> Result<Share, Error> {
    piecewise_then(ctx, x, bits, table, to, Then::Nothing)
}

/// What a party does with a value where it computes it.
pub(super) enum Then<'a> {
    /// Nothing more.
    Nothing,
    /// Adds it to a share with as many fraction bits, in the smaller ring.
    Add(&'a Share),
    /// Truncates it, as [`truncate`](super::truncate) does.
    Cut(u32),
}

/// As [`piecewise`], and then something.
pub(super) fn piecewise_then(
    ctx: &mut Ctx,
    x: &Wire,
    bits: Option<&Bits>,
    table: &Table,
    to: u32,
    then: Then<'_>,
) -> Result<Share, Error> {
    let n = row(x.n);
    let (words, changes) = table.words(x.k, to);
    let ring = (to + table.up).min(64);
    let rows = ctx.rec.upload_slice(&table.rows)?;
    let dealt = (words > 0).then_some((n * words, to));
    let change = (changes > 0).then(|| (n * changes, carry_bits(x.k, to)));
    let widths = (dealt.map(|(_, k)| k), change.map(|(_, k)| k));
    let shape = match bits {
        Some(b) if table.one() => args![levels: b.thresholds].to_vec(),
        Some(b) if !table.always() => args![segments: table.segments, levels: b.thresholds].to_vec(),
        _ => vec![],
    };
    // At the dealer.
    let make = |ctx: &mut Ctx, dealt: Target<'_>, change: Target<'_>| {
        let (mut args, keys) = (args![n: n, k: x.k].to_vec(), ctx.keys());
        args.extend(&shape);
        let mut used = vec![("keys", &keys), ("lam", &x.lam)];
        if let (Some(b), false) = (bits, table.always()) {
            used.extend([("bits", &b.masks), ("table", &rows)]);
        }
        for (name, names, target) in [("dealt", DEALT, dealt), ("change", CHANGE, change)] {
            if let Some((nonce, msg)) = target {
                args.extend(named(names, nonce));
                used.push((name, msg));
            }
        }
        Ok(ctx.rec.run(&table.kernel(Kernel::new("piecewise_deal"), widths), &args, &used, n / 8)?)
    };
    let (dealt, change): Words = match (dealt, change) {
        (Some(d), Some(c)) => ctx
            .deal_together([d, c], |ctx, [a, b], [x, y]| make(ctx, Some((a, x)), Some((b, y))))?
            .map_or((None, None), |[d, c]| (Some(d), Some(c))),
        (Some((n, k)), None) => (ctx.deal_packed(n, k, |ctx, a, x| make(ctx, Some((a, x)), None))?, None),
        (None, Some((n, k))) => (None, ctx.deal_packed(n, k, |ctx, b, y| make(ctx, None, Some((b, y))))?),
        (None, None) => (None, None),
    };
    let mut buf = None;
    if ctx.is_party() {
        let (out, keys) = (ctx.rec.words(n)?, ctx.keys());
        let client = ctx.role == Role::Client;
        let mut args = args![n: n, k: x.k, first: ctx.first()].to_vec();
        args.extend(&shape);
        let mut used = vec![("delta", x.opened()), ("table", &rows), ("lam", &x.lam), ("out", &out)];
        if client {
            used.push(("keys", &keys));
        }
        if let (Some(b), false) = (bits, table.always()) {
            used.push(("bits", b.opened.as_ref().expect("a party's bits")));
        }
        for (name, names, words) in [("dealt", DEALT, &dealt), ("change", CHANGE, &change)] {
            if let Some(words) = words {
                args.extend(named(names, words.address()));
                used.extend(words.packed(name));
            }
        }
        let kernel = Kernel::new("piecewise").with(if client { "CLIENT" } else { "SERVER" });
        let kernel = match then {
            Then::Nothing => kernel,
            Then::Add(sum) => {
                used.push(("sum", sum.words()));
                kernel.with("ADD")
            }
            Then::Cut(cut) => {
                args.extend(args![ring: ring, cut: cut, add: rounding(ctx, cut)]);
                kernel.with("CUT")
            }
        };
        ctx.rec.run(&table.kernel(kernel, widths), &args, &used, n / 8)?;
        buf = Some(out);
    }
    let (k, f) = match then {
        Then::Nothing => (ring, table.f),
        Then::Add(sum) => (ring.min(sum.k), table.f),
        Then::Cut(cut) => (ring - cut, table.f - cut),
    };
    Ok(Share { n: x.n, k, f, buf })
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
