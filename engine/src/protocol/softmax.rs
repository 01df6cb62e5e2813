//! Exponentials for softmax on shares. Source: paper Appendix A, protocol.md sections 6 and 7.

use super::compare::{compare_and_open, compare_beside, compare_cost};
use super::local::{Map, combine_wires};
use super::open::open_cost;
use super::piecewise::piecewise_cost;
use super::{Cost, Ctx, Error, Segment, Share, Table, Window, Wire, add, multiply, open, open_all, piecewise};
use super::{polynomial, truncate};
use crate::approx::{Approx, Exp};

/// How logits become weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxSpec {
    /// Factor of the logits, for attention 1 / sqrt(d).
    pub scale: f64,
    /// Which exponential; exact functions exist in plaintext only.
    pub approx: Approx,
}

/// Fraction bits with which weights are opened.
pub const WEIGHT_FRACTION: u32 = 12;
/// Ring in which they are opened: weights stay below 4.
pub const WEIGHT_RING: u32 = 16;
/// Fraction bits of an exponential: those of the weights and a few for who cuts them off.
pub(super) const RESULT_FRACTION: u32 = 16;
/// Fraction bits of the last of repeated squares that is opened; an earlier one needs a bit more for each later squaring.
const SQUARE_FRACTION: u32 = 13;

/// Ring and fraction bits of a square that is opened and then squared `left` times. Values stay below 2.
fn square_format(left: u32) -> (u32, u32) {
    let ring = (SQUARE_FRACTION + left - 1 + 3).next_multiple_of(4);
    (ring, ring - 3)
}

/// Ring of the square of a value with `fx` fraction bits that is cut to `f` in a ring of `ring`.
fn product_ring(fx: u32, ring: u32, f: u32) -> u32 {
    (2 * fx - f + ring).next_multiple_of(4)
}

/// A quartic as two squarings: with `Y = (x + s)^2` it is `a Y^2 + b Y + C + B x`. The first square is exact in the ring of
/// x, as an integer; outside the cut-off it may wrap, what comes of it is multiplied by 0.
struct Quartic {
    square: Table,
    /// Bits cut from the square, which then fits [`RING`].
    cut: u32,
    /// In what is opened of the square.
    even: Table,
    /// In x, without its last [`ODD`] bits.
    odd: Table,
}

impl Quartic {
    /// Coefficients `c` of a polynomial in `unit` times the wire's integer, for values from `cutoff` to 0 of a wire in a ring
    /// of `k` bits.
    fn new(c: &[f64], unit: f64, cutoff: f64, k: u32) -> Result<Self, Error> {
        let a = c[4];
        // s in half units of the wire; what this changes in the cubic term goes into the lower ones.
        let twice = (c[3] / (2.0 * a) / unit).round();
        let s = twice / 2.0 * unit;
        let (middle, half) = (cutoff / 2.0, -cutoff / 2.0);
        // x^3 = (m + h t)^3, t^3 nearest to 3/4 t.
        let (m, h) = (middle, half);
        let cubic = expand(&[m.powi(3), 3.0 * m * m * h + 0.75 * h.powi(3), 3.0 * m * h * h], -m / h, 1.0 / h);
        let rest = c[3] - 4.0 * a * s;
        let b = c[2] + rest * cubic[2] - 6.0 * a * s * s;
        let odd = c[1] + rest * cubic[1] - 4.0 * a * s.powi(3) - 2.0 * b * s;
        let constant = c[0] + rest * cubic[0] - a * s.powi(4) - b * s * s;
        // The square runs from 0 to its value at one of the ends: half of that is taken off.
        let top = (s * s).max((cutoff + s).powi(2)) / (unit * unit);
        let offset = ((twice / 2.0).powi(2) - top / 2.0).round();
        let cut = (top / 2.0).log2().ceil() as u32 + 2 - RING;
        if cut + RING > k {
            return Err(Error::Range(format!("logits of {k} bits are too fine for this exponential")));
        }
        // Y is `shift + step w` for the opened integer w.
        let (shift, step) = (((twice / 2.0).powi(2) - offset) * unit * unit, f64::from(cut).exp2() * unit * unit);
        let everywhere = |coefficients| [Segment { above: None, below: None, coefficients }];
        let fine = EVEN_RING - 4;
        Ok(Self {
            square: Table::new(&everywhere(vec![offset, twice, 1.0]), 0, 0)?,
            cut,
            even: Table::new(&everywhere(expand(&[constant, b, a], shift, step)), 0, fine)?,
            odd: Table::new(&everywhere(vec![0.0, odd * unit]), 0, fine - ODD)?,
        })
    }
}

impl SoftmaxSpec {
    /// Fraction bits of the logits' wire: after scaling 9 for the quartic, whose square must fit the wire's ring, else 12.
    pub fn logit_fraction(&self) -> u32 {
        let bits = if self.approx == Approx::Loose { LOOSE_FRACTION } else { 12.0 };
        (bits + self.scale.log2()).round().clamp(2.0, 16.0) as u32
    }

    fn cutoff(&self) -> Result<f64, Error> {
        match self.approx.exponential() {
            Some(Exp::Poly(p)) => Ok(p.thresholds[0]),
            Some(Exp::RepeatedSquaring { cutoff, .. }) => Ok(cutoff),
            Some(Exp::Mapped { cutoff, .. }) => Ok(cutoff),
            None => Err(Error::Range("exact exponentials exist in plaintext only".into())),
        }
    }
}

fn above(coefficients: Vec<f64>) -> [Segment; 1] {
    [Segment { above: Some(0), below: None, coefficients }]
}

/// `p = exp(scale x)` for a wire of differences to the row maximum, by the named approximation.
///
/// * Before: wire with [`SoftmaxSpec::logit_fraction`] bits, `|x| < 2^(k-2)`. After: additive share with 16 fraction bits
///   (CipherDM's: 12) in a ring of 4 bits more, values stay below 4.
/// * Error: that of the approximation, plus rounding of the input (2^-9 after scaling, for repeated squares 2^-13) and of the
///   result. Mean square error against exp on [-14, 0] over that of the approximation: 1.006 for loose, 1.008 for precise.
/// * Cost: [`exponential_cost`]; 2 rounds for loose (the square goes with the comparison's first message, the value with its
///   last one), 8 for precise, 4 for CipherDM's.
pub fn exponential(ctx: &mut Ctx, x: &Wire, spec: &SoftmaxSpec, window: Window) -> Result<Share, Error> {
    let threshold = (spec.cutoff()? / spec.scale * f64::from(x.f).exp2()).round() as i64;
    let s = spec.scale;
    match spec.approx.exponential().expect("checked by cutoff") {
        Exp::Poly(p) => {
            let crate::approx::Segment::Poly(c) = &p.segments[1] else {
                return Err(Error::Range("an exponential is one polynomial above its cut-off".into()));
            };
            let q = Quartic::new(c, s / f64::from(x.f).exp2(), p.thresholds[0], x.k)?;
            let square = piecewise(ctx, x, None, &q.square, x.k)?;
            let (bits, w) = compare_beside(ctx, x, &[threshold], window, &[(&square, q.cut, RING)], |ctx, w| {
                let even = piecewise(ctx, &w[0], None, &q.even, EVEN_RING)?;
                let odd = piecewise(ctx, x, None, &q.odd, EVEN_RING - ODD)?;
                // Times 2^ODD: exact in the larger ring.
                let odd = Share { k: EVEN_RING, f: even.f, ..odd };
                let y = add(ctx, &even, 1, &odd, 1 << ODD, Map::SAME)?;
                let cut = y.f - RESULT_FRACTION;
                Ok(Some((y, cut, EVEN_RING - cut)))
            })?;
            let w = w.expect("opened with the comparison's last message");
            let y = piecewise(ctx, &w, Some(&bits), &Table::new(&above(vec![0.0, 1.0]), 0, 0)?, w.k)?;
            Ok(Share { f: RESULT_FRACTION, ..y })
        }
        Exp::RepeatedSquaring { log2, .. } => {
            let t = s / f64::from(log2).exp2();
            let y = polynomial(ctx, x, &[1.0, 2.0 * t, t * t], FIRST_FRACTION, 64)?;
            let (ring, f) = square_format(log2 - 1);
            let also = [(&y, y.f - f, ring)];
            let (bits, mut w) = compare_and_open(ctx, x, &[threshold], window, &also)?;
            let mut w = w.remove(0);
            for left in (1..log2 - 1).rev() {
                let (ring, f) = square_format(left);
                let y = polynomial(ctx, &w, &[0.0, 0.0, 1.0], 2 * w.f, product_ring(w.f, ring, f))?;
                w = open(ctx, &y, y.f - f, ring)?;
            }
            let table = Table::new(&above(vec![0.0, 0.0, 1.0]), w.f, 2 * w.f)?;
            let to = product_ring(w.f, RESULT_FRACTION + 4, RESULT_FRACTION);
            let y = piecewise(ctx, &w, Some(&bits), &table, to)?;
            truncate(ctx, &y, 2 * w.f - RESULT_FRACTION)
        }
        Exp::Mapped { coefficients: c, divisor, .. } => {
            // In t = 1 + s x / divisor: low(t) + t^4 high(t), the halves cubic in t.
            let expand = |c: &[f64]| expand(c, 1.0, s / divisor);
            let (low, high) = (expand(&c[..4]), expand(&c[4..]));
            let square = expand(&[0.0, 0.0, 1.0]);
            let low = polynomial(ctx, x, &low, 60, 64)?;
            let high = polynomial(ctx, x, &high, 60, 64)?;
            let square = polynomial(ctx, x, &square, 60, 64)?;
            let cut = 60 - WEIGHT_FRACTION - 2;
            let also = [(&high, cut, SERIES_RING), (&square, cut, SERIES_RING)];
            let (bits, w) = compare_and_open(ctx, x, &[threshold], window, &also)?;
            let quartic = polynomial(ctx, &w[1], &[0.0, 0.0, 1.0], 2 * w[1].f, SERIES_PRODUCT)?;
            let high = polynomial(ctx, &w[0], &[0.0, 1.0], w[0].f, SERIES_FACTOR)?;
            let quartic = truncate(ctx, &quartic, w[1].f)?;
            let w = open_all(ctx, &[(&high, 0, SERIES_FACTOR), (&quartic.reduced(SERIES_FACTOR), 0, SERIES_FACTOR)])?;
            let product = multiply(ctx, &w[0], &w[1], Map::SAME)?;
            let product = truncate(ctx, &product, product.f - WEIGHT_FRACTION)?;
            let low = truncate(ctx, &low, 60 - WEIGHT_FRACTION)?;
            let y = add(ctx, &low, 1, &product, 1, Map::SAME)?;
            let w = open(ctx, &y, 0, WEIGHT_RING)?;
            piecewise(ctx, &w, Some(&bits), &Table::new(&above(vec![0.0, 1.0]), 0, 0)?, WEIGHT_RING)
                .map(|y| Share { f: WEIGHT_FRACTION, ..y })
        }
    }
}

/// Fraction bits of logits for a quartic, once scaled.
const LOOSE_FRACTION: f64 = 9.2;
/// Ring in which a quartic's square is opened.
const RING: u32 = 16;
/// Ring of a quartic's value, with four bits less of fraction.
const EVEN_RING: u32 = 48;
/// Bits by which the ring of its linear term is smaller: the coefficient is exact enough without them.
const ODD: u32 = 16;
const FIRST_FRACTION: u32 = 56;
const SERIES_RING: u32 = 16;
const SERIES_PRODUCT: u32 = 56;
const SERIES_FACTOR: u32 = 40;

/// Coefficients in x of a polynomial in `shift + slope x`.
pub(super) fn expand(c: &[f64], shift: f64, slope: f64) -> Vec<f64> {
    let mut out = vec![0.0; c.len()];
    for a in c.iter().rev() {
        let mut next = vec![0.0; c.len()];
        for (j, v) in out.iter().enumerate() {
            next[j] += v * shift;
            if j + 1 < c.len() {
                next[j + 1] += v * slope;
            }
        }
        next[0] += a;
        out = next;
    }
    out
}

/// Differences to the row maximum: `x - m`, a wire again.
pub fn shifted(ctx: &mut Ctx, x: &Wire, maximum: &Wire, cols: usize) -> Result<Wire, Error> {
    combine_wires(ctx, x, Some((maximum, -1, Map::per_row(cols))), 0)
}

/// Cost of [`exponential`]. Online, each way and an element, for loose: a byte and a bit for the comparison, 2 for the square,
/// 2.5 for the value.
pub fn exponential_cost(n: usize, k: u32, spec: &SoftmaxSpec, window: Window) -> Result<Cost, Error> {
    let base = compare_cost(n, 1, window);
    // The first opening shares the comparison's first round.
    let together = Cost { half_rounds: 2, ..Cost::default() };
    let one = |degree: usize| vec![1.0; degree + 1];
    let plain = |degree: usize| -> Result<Table, Error> {
        Table::new(&[Segment { above: None, below: None, coefficients: one(degree) }], 0, 0)
    };
    let selected = |degree: usize| Table::new(&above(one(degree)), 0, 0);
    Ok(match spec.approx.exponential() {
        Some(Exp::Poly(_)) => {
            let result = RESULT_FRACTION + 4;
            base + piecewise_cost(n, &plain(2)?, k, k)
                + open_cost(&[(n, RING), (n, result)])
                + piecewise_cost(n, &plain(2)?, RING, EVEN_RING)
                + piecewise_cost(n, &plain(1)?, k, EVEN_RING - ODD)
                + piecewise_cost(n, &selected(1)?, result, result)
                - together
        }
        Some(Exp::RepeatedSquaring { log2, .. }) => {
            let mut c = base + piecewise_cost(n, &plain(2)?, k, 64) - together;
            for left in (1..log2).rev() {
                let (ring, f) = square_format(left);
                let (next, (to, bits)) = match left {
                    1 => (selected(2)?, (RESULT_FRACTION + 4, RESULT_FRACTION)),
                    _ => (plain(2)?, square_format(left - 1)),
                };
                c = c + open_cost(&[(n, ring)]) + piecewise_cost(n, &next, ring, product_ring(f, to, bits));
            }
            c
        }
        Some(Exp::Mapped { .. }) => {
            let k1 = SERIES_FACTOR;
            base + piecewise_cost(n, &plain(3)?, k, 64)
                + piecewise_cost(n, &plain(3)?, k, 64)
                + piecewise_cost(n, &plain(2)?, k, 64)
                + open_cost(&[(n, SERIES_RING), (n, SERIES_RING)])
                + piecewise_cost(n, &plain(2)?, SERIES_RING, SERIES_PRODUCT)
                + piecewise_cost(n, &plain(1)?, SERIES_RING, k1)
                + open_cost(&[(n, k1), (n, k1)])
                + super::multiply::multiply_cost(n, k1)
                + open_cost(&[(n, WEIGHT_RING)])
                + piecewise_cost(n, &selected(1)?, WEIGHT_RING, WEIGHT_RING)
                - together
        }
        None => return Err(Error::Range("exact exponentials exist in plaintext only".into())),
    })
}
