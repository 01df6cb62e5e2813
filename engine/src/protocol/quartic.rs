//! The loose exponential, up to a public factor, for a softmax's weights: a polynomial of degree 4 as two squarings, with
//! kernels that draw, evaluate, mask and pack at once.
//!
//! With `Y = (x + s)^2` a quartic is `a Y^2 + b Y + C + B x`. A softmax does not mind a factor, so that the one with which `a`
//! becomes 1 in integers is as good as any: in `w`, the opened square, and the wire x the value is
//! `w^2 + b' w + C' + B' x`, 32 bits of it are enough, and those of the result are cut from them. Source: protocol.md
//! sections 6 and 7; paper, Appendix A.

use super::compare::{Message, compare_beside, compare_cost};
use super::open::{lift_cost, open_cost};
use super::polynomials::expand;
use super::softmax::{ABOVE, WEIGHT_FRACTION, WEIGHT_RING};
use super::{Bits, Cost, Ctx, Error, Window, Wire, lift, open, packed_bytes};
use crate::gpu::{Buf, Kernel};
use crate::{args, bufs};

/// Ring of the wire x.
pub(super) const RING: u32 = 24;
/// Bits of the value before the cut.
const VALUE: u32 = 32;
/// The linear term's coefficient is a multiple of `2^STEP`.
const STEP: u32 = VALUE - RING;
/// How far the inner square's centre may move for that, in half units of the wire.
const NEAR: i32 = 4;
/// Rings to which [`raise`] lifts in one kernel.
const RAISED: std::ops::RangeInclusive<u32> = 36..=48;

/// Integer coefficients of both squarings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quartic {
    /// `S = x^2 + twice x + offset`.
    offset: i64,
    twice: i64,
    /// Bits cut from S.
    cut: u32,
    /// `V = w^2 + linear w + constant + 2^STEP odd x`: x in its own ring is enough for that.
    linear: i64,
    constant: i64,
    odd: i64,
    /// Bits cut from V, to [`WEIGHT_FRACTION`].
    drop: u32,
    /// What the value is multiplied by: in [1, 2).
    pub factor: f64,
}

impl Quartic {
    /// For coefficients `c` of a polynomial in `unit` times the wire's integer, as exact as can be from `cutoff` to 0 and valid up
    /// to [`ABOVE`].
    pub fn new(c: &[f64], unit: f64, cutoff: f64) -> Result<Self, Error> {
        let a = c[4];
        // s in half units of the wire; what this changes in the cubic term goes into the lower ones.
        let best = (c[3] / (2.0 * a) / unit).round();
        let candidates = (-NEAR..=NEAR).map(|d| Self::with(c, unit, cutoff, best + f64::from(d)));
        let all = candidates.collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("some candidates").0)
    }

    /// With s in half units of the wire, and the mean square error of the approximation that this and a linear term in steps
    /// of `2^STEP` cost.
    fn with(c: &[f64], unit: f64, cutoff: f64, twice: f64) -> Result<(Self, f64), Error> {
        let a = c[4];
        let s = twice / 2.0 * unit;
        // x^3 = (m + h t)^3, t^3 nearest to 3/4 t.
        let (m, h) = (cutoff / 2.0, -cutoff / 2.0);
        let cubic = expand(&[m.powi(3), 3.0 * m * m * h + 0.75 * h.powi(3), 3.0 * m * h * h], -m / h, 1.0 / h);
        let rest = c[3] - 4.0 * a * s;
        let b = c[2] + rest * cubic[2] - 6.0 * a * s * s;
        let odd = c[1] + rest * cubic[1] - 4.0 * a * s.powi(3) - 2.0 * b * s;
        let constant = c[0] + rest * cubic[0] - a * s.powi(4) - b * s * s;
        // S runs from 0 to its value at one of the ends: half of that is taken off. A quarter of the ring must hold it.
        let top = (ABOVE + s).powi(2).max((cutoff + s).powi(2)) / (unit * unit);
        let middle = (twice / 2.0).powi(2);
        let offset = (middle - top / 2.0).round();
        // Y = shift + step w. The finest step whose value, less what is cut, needs no more than VALUE bits.
        let shift = (middle - offset) * unit * unit;
        let step = |cut: u32| f64::from(cut).exp2() * unit * unit;
        let bits = |cut: u32| (-(a * step(cut).powi(2)).log2()).floor();
        let most = f64::from(VALUE - WEIGHT_RING + WEIGHT_FRACTION);
        let cut = (RING - WEIGHT_RING..).find(|cut| bits(*cut) <= most).unwrap_or(RING);
        // In smaller rings of w the dealt words would be too short for its square.
        if RING - cut < WEIGHT_RING - 1
            || top / 2.0 >= f64::from(RING - 2).exp2()
            || bits(cut) <= f64::from(WEIGHT_FRACTION)
        {
            return Err(Error::Range(format!("logits of 2^{:.1} a unit do not suit this exponential", unit.log2())));
        }
        let (unit_of_value, step) = (a * step(cut).powi(2), step(cut));
        let integer = |v: f64| (v / unit_of_value).round() as i64;
        let (exact, steps) = (odd * unit / unit_of_value, f64::from(STEP).exp2());
        let linear = (exact / steps).round();
        let error = (rest * h.powi(3) / 4.0).powi(2) / 2.0
            + ((linear * steps - exact) * unit_of_value * cutoff / unit).powi(2) / 12.0;
        let it = Self {
            offset: offset as i64,
            twice: twice as i64,
            cut,
            linear: integer((2.0 * a * shift + b) * step),
            // The error of the linear term is 0 in the middle.
            constant: integer(
                a * shift * shift + b * shift + constant + (exact - linear * steps) * unit_of_value * m / unit,
            ),
            odd: linear as i64,
            drop: bits(cut) as u32 - WEIGHT_FRACTION,
            factor: (-bits(cut)).exp2() / unit_of_value,
        };
        Ok((it, error))
    }

    /// Ring of w.
    fn ring(&self) -> u32 {
        (RING - self.cut).min(WEIGHT_RING)
    }
}

/// What parties hold of a wire of 16 bits before it is unpacked: both messages, and the address of its masks.
struct Opening {
    n: usize,
    mask: [u32; 3],
    mine: Option<Buf>,
    theirs: Option<Buf>,
}

impl Opening {
    fn messages(&self) -> [&Buf; 2] {
        [&self.mine, &self.theirs].map(|m| m.as_ref().expect("a party's opening"))
    }

    fn message(&self) -> Vec<Message> {
        self.mine.iter().map(|m| (m.clone(), packed_bytes(self.n, WEIGHT_RING))).collect()
    }

    /// The wire in memory.
    fn wire(&self, ctx: &mut Ctx) -> Result<Wire, Error> {
        let (n, k) = (self.n, WEIGHT_RING);
        let delta = match (&self.mine, &self.theirs) {
            (Some(mine), Some(theirs)) => Some(ctx.unpack_sum(mine, theirs, n, k)?),
            _ => None,
        };
        let lam = ctx.mask_at(self.mask, n, k)?;
        Ok(Wire { n, k, f: WEIGHT_FRACTION, delta, lam, fresh: true })
    }
}

/// `factor p(x)` where `x >= threshold`, before the selection: its opening, and the opened bits `[x < threshold]`.
fn value(ctx: &mut Ctx, x: &Wire, q: &Quartic, threshold: i64, window: Window) -> Result<(Opening, Bits), Error> {
    if x.k != RING {
        return Err(Error::Range(format!("this exponential takes logits in {RING} bits, not in {}", x.k)));
    }
    let n = x.n.next_multiple_of(8);
    let (keys, first, k) = (ctx.keys(), ctx.first(), q.ring());
    let (w, y) = (ctx.mask_address(), ctx.mask_address());
    let ([w0, w1, w2], [y0, y1, y2]) = (w, y);
    let dealt = ctx.deal_together(
        [(n, RING), (n, VALUE), (3 * n.next_multiple_of(32), WEIGHT_RING)],
        |ctx, [[s0, s1, s2], [q0, q1, q2], [n0, n1, n2]], [msg, squares, words]| {
            let args = args![n: n, k: k, w0: w0, w1: w1, w2: w2, s0: s0, s1: s1, s2: s2, q0: q0, q1: q1, q2: q2, n0: n0,
                n1: n1, n2: n2];
            let used = bufs![keys: &keys, lam: &x.lam, msg: msg, squares: squares, words: words];
            Ok(ctx.rec.run(&Kernel::new("quartic_deal").bits(RING), args, used, n.div_ceil(32))?)
        },
    )?;
    let add = |bits: u32| ((1u32 << bits) - 1) * first;
    let mut inner = Opening { n, mask: w, mine: None, theirs: None };
    let mut outer = Opening { n, mask: y, mine: None, theirs: None };
    if let Some([dealt, ..]) = &dealt {
        let ([n0, n1, n2], msg) = (dealt.address(), ctx.packed(n, WEIGHT_RING)?);
        let mut used = vec![("keys", &keys), ("delta", x.opened()), ("lam", &x.lam)];
        used.extend(dealt.packed("dealt"));
        used.push(("msg", &msg));
        ctx.rec.run(
            &dealt.kernel("quartic_square").bits(RING),
            args![n: n, first: first, c0: q.offset as u32, c1: q.twice as u32, cut: q.cut, add: add(q.cut), m0: w0,
                m1: w1, m2: w2, n0: n0, n1: n1, n2: n2],
            &used,
            n.div_ceil(32),
        )?;
        inner.mine = Some(msg);
    }
    let beside = inner.message();
    let (bits, _, mut last) = compare_beside(ctx, x, &[threshold], window, beside, |ctx, theirs| {
        let Some([_, squares, words]) = &dealt else { return Ok(vec![]) };
        inner.theirs = Some(theirs[0].clone());
        let ([mine, theirs], msg) = (inner.messages(), ctx.packed(n, WEIGHT_RING)?);
        let ([q0, q1, q2], [n0, n1, n2]) = (squares.address(), words.address());
        let mut used = vec![("keys", &keys), ("mine", mine), ("theirs", theirs), ("delta", x.opened())];
        used.push(("lam", &x.lam));
        used.extend(squares.packed("squares"));
        used.extend(words.packed("words"));
        used.push(("msg", &msg));
        ctx.rec.run(
            &words.kernel("quartic_value"),
            args![n: n, first: first, k: k, b: q.linear as u32, c: q.constant as u32, d: q.odd as u32, cut: q.drop,
                add: add(q.drop), w0: w0, w1: w1, w2: w2, m0: y0, m1: y1, m2: y2, q0: q0, q1: q1, q2: q2, n0: n0,
                n1: n1, n2: n2],
            &used,
            n.div_ceil(32),
        )?;
        outer.mine = Some(msg);
        Ok(outer.message())
    })?;
    outer.theirs = last.pop();
    Ok((outer, bits))
}

/// The quartic's value, not yet selected, as a wire with [`WEIGHT_FRACTION`] bits; and the bits to select it by.
pub(super) fn quartic(
    ctx: &mut Ctx,
    x: &Wire,
    q: &Quartic,
    threshold: i64,
    window: Window,
) -> Result<(Wire, Bits), Error> {
    let (y, bits) = value(ctx, x, q, threshold, window)?;
    Ok((Wire { n: x.n, ..y.wire(ctx)? }, bits))
}

/// Weights: the quartic's values where `x >= threshold`, else 0, as a fresh wire in a ring of `to` bits with
/// [`WEIGHT_FRACTION`] of them fraction.
///
/// * Error: see [`super::exponential`]; the selection and the lifting are exact.
/// * Cost: [`quartic_weights_cost`]; 4 rounds.
pub(super) fn quartic_weights(
    ctx: &mut Ctx,
    x: &Wire,
    q: &Quartic,
    (threshold, window): (i64, Window),
    to: u32,
) -> Result<Wire, Error> {
    let (y, bits) = value(ctx, x, q, threshold, window)?;
    let p = select(ctx, &y, &bits)?;
    let wire = if RAISED.contains(&to) {
        raise(ctx, &p, to)?
    } else {
        let p = p.wire(ctx)?;
        let p = lift(ctx, &p, to)?;
        open(ctx, &p, 0, to)?
    };
    Ok(Wire { n: x.n, ..wire })
}

/// `[x >= T] y`, opened.
fn select(ctx: &mut Ctx, y: &Opening, bits: &Bits) -> Result<Opening, Error> {
    let (n, keys, first) = (y.n, ctx.keys(), ctx.first());
    let mask = ctx.mask_address();
    let ([y0, y1, y2], [m0, m1, m2]) = (y.mask, mask);
    let dealt = ctx.deal_packed(2 * n, WEIGHT_RING, |ctx, [n0, n1, n2], msg| {
        let args = args![n: n, y0: y0, y1: y1, y2: y2, n0: n0, n1: n1, n2: n2];
        let used = bufs![keys: &keys, bits: &bits.masks, msg: msg];
        Ok(ctx.rec.run(&Kernel::new("select_deal"), args, used, n.div_ceil(32))?)
    })?;
    let mut out = Opening { n, mask, mine: None, theirs: None };
    if let (Some(dealt), Some(opened)) = (&dealt, &bits.opened) {
        let ([mine, theirs], [n0, n1, n2], msg) = (y.messages(), dealt.address(), ctx.packed(n, WEIGHT_RING)?);
        let mut used = vec![("keys", &keys), ("mine", mine), ("theirs", theirs), ("bits", opened)];
        used.extend(dealt.packed("dealt"));
        used.push(("msg", &msg));
        let args = args![n: n, first: first, y0: y0, y1: y1, y2: y2, m0: m0, m1: m1, m2: m2, n0: n0, n1: n1, n2: n2];
        ctx.rec.run(&dealt.kernel("select"), args, &used, n.div_ceil(32))?;
        out.theirs = ctx.exchange(&[(&msg, packed_bytes(n, WEIGHT_RING))])?.pop();
        out.mine = Some(msg);
    }
    Ok(out)
}

/// A wire of 16 bits in a larger ring, opened anew: [`lift`] and [`open`] in one.
fn raise(ctx: &mut Ctx, y: &Opening, k: u32) -> Result<Wire, Error> {
    let (n, keys, first, word) = (y.n, ctx.keys(), ctx.first(), 2 * (k - WEIGHT_RING));
    let [y0, y1, y2] = y.mask;
    let mask = ctx.mask_address();
    let [m0, m1, m2] = mask;
    let dealt = ctx.deal_packed(n, word, |ctx, [n0, n1, n2], msg| {
        let args = args![n: n, y0: y0, y1: y1, y2: y2, n0: n0, n1: n1, n2: n2];
        Ok(ctx.rec.run(&Kernel::new("raise_deal").bits(word), args, bufs![keys: &keys, msg: msg], n.div_ceil(32))?)
    })?;
    let wire = |lam, delta| Wire { n, k, f: WEIGHT_FRACTION, delta, lam, fresh: true };
    let Some(dealt) = dealt else { return Ok(wire(ctx.mask_at(mask, n, k)?, None)) };
    let ([mine, theirs], [n0, n1, n2]) = (y.messages(), dealt.address());
    let (lam, msg) = (ctx.rec.words(n)?, ctx.packed(n, k)?);
    let mut used = vec![("keys", &keys), ("mine", mine), ("theirs", theirs)];
    used.extend(dealt.packed("dealt"));
    used.extend([("lam", &lam), ("msg", &msg)]);
    let args = args![n: n, first: first, y0: y0, y1: y1, y2: y2, m0: m0, m1: m1, m2: m2, n0: n0, n1: n1, n2: n2];
    ctx.rec.run(&dealt.kernel("raise").bits(k), args, &used, n.div_ceil(32))?;
    let other = ctx.exchange(&[(&msg, packed_bytes(n, k))])?.remove(0);
    let delta = ctx.unpack_sum(&msg, &other, n, k)?;
    Ok(wire(lam, Some(delta)))
}

/// Cost of [`quartic`]: that of the comparison, whose rounds it shares; each way 4 bytes an element more, offline 13.
pub(super) fn quartic_cost(n: usize, window: Window) -> Cost {
    let n = n.next_multiple_of(8);
    let opened = open_cost(&[(n, WEIGHT_RING), (n, WEIGHT_RING)]);
    let offline =
        packed_bytes(n, RING) + packed_bytes(n, VALUE) + packed_bytes(3 * n.next_multiple_of(32), WEIGHT_RING);
    compare_cost(n, 1, window) + Cost { half_rounds: 0, offline, ..opened }
}

/// Cost of [`quartic_weights`]: that of [`quartic`], and each way 2 bytes and `to` bits, offline 4 bytes and `2 (to - 16)` bits.
pub(super) fn quartic_weights_cost(n: usize, window: Window, to: u32) -> Cost {
    let rounded = n.next_multiple_of(8);
    let selected = Cost { offline: packed_bytes(2 * rounded, WEIGHT_RING), ..open_cost(&[(rounded, WEIGHT_RING)]) };
    let n = if RAISED.contains(&to) { rounded } else { n };
    quartic_cost(rounded, window) + selected + lift_cost(n, WEIGHT_RING, to) + open_cost(&[(n, to)])
}
