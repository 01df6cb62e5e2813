//! Exponentials for softmax on shares. Source: paper Appendix A, protocol.md sections 6 and 7.

use super::compare::{compare_and_open, compare_cost};
use super::local::Map;
use super::open::{lift_cost, open_cost};
use super::piecewise::{Then, piecewise_cost, piecewise_then};
use super::polynomials::expand;
use super::quartic::{self, Quartic, quartic, quartic_cost, quartic_weights, quartic_weights_cost};
use super::{Cost, Ctx, Error, Segment, Share, Table, Window, Wire, add, lift, multiply, open, open_all, piecewise};
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

impl SoftmaxSpec {
    /// Fraction bits of the logits' wire: after scaling 9 for the quartic, whose square must fit the wire's ring, else 12.
    pub fn logit_fraction(&self) -> u32 {
        let bits = if self.approx == Approx::Loose { LOOSE_FRACTION } else { 12.0 };
        (bits + self.scale.log2()).round().clamp(2.0, 16.0) as u32
    }

    /// The quartic for a wire with `f` fraction bits, where that is the exponential.
    fn quartic(&self, f: u32) -> Result<Option<Quartic>, Error> {
        match self.approx.exponential() {
            Some(Exp::Poly(p)) => {
                let crate::approx::Segment::Poly(c) = &p.segments[1] else {
                    return Err(Error::Range("an exponential is one polynomial above its cut-off".into()));
                };
                Quartic::new(c, self.scale / f64::from(f).exp2(), p.thresholds[0]).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The cut-off in units of a wire with `f` fraction bits.
    fn threshold(&self, f: u32) -> Result<i64, Error> {
        Ok((self.cutoff()? / self.scale * f64::from(f).exp2()).round() as i64)
    }

    /// Binary logarithm of the bound of a sum of `n` weights, all of which exceed 1 where the maximum was found too small.
    pub(super) fn sum_bits(&self, n: usize) -> f64 {
        let factor = self.quartic(self.logit_fraction()).ok().flatten().map_or(1.0, |q| q.factor);
        let above = ABOVE.min((f64::from(n.next_power_of_two().trailing_zeros()) + 2.0) * LEVEL);
        (n as f64 * above.exp() * factor).log2()
    }

    /// Bits that the comparisons of a softmax look at, of differences of logits: 13, so many that 2^8 is below their bound
    /// once scaled. They are exact to 2^-4 or better: a maximum may be found that is a little smaller than the largest
    /// logit, which a softmax does not mind, and the cut-off be decided wrongly that close to it.
    pub(super) fn window(&self) -> Window {
        let unit = f64::from(self.logit_fraction()) - self.scale.log2();
        let hi = ((LARGEST + unit).floor() as u32 + 1).clamp(13, quartic::RING);
        Window { lo: hi - 13, hi }
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
/// * Before: wire with [`SoftmaxSpec::logit_fraction`] bits, `|x| < 2^(k-2)`, for loose in a ring of 24. After: additive share
///   with 16 fraction bits (CipherDM's: 12) in a ring of 4 bits more, values stay below 4.
/// * Error: that of the approximation, plus rounding of the input (2^-9 after scaling, for repeated squares 2^-13) and of the
///   result. Mean square error against exp on [-14, 0] over that of the approximation: 1.006 for loose, 1.008 for precise.
/// * Cost: [`exponential_cost`]; 2 rounds for loose (the square goes with the comparison's first message, the value with its
///   last one), 8 for precise, 4 for CipherDM's.
pub fn exponential(ctx: &mut Ctx, x: &Wire, spec: &SoftmaxSpec, window: Window) -> Result<Share, Error> {
    let threshold = spec.threshold(x.f)?;
    let s = spec.scale;
    match spec.approx.exponential().expect("checked by cutoff") {
        Exp::Poly(_) => {
            let q = spec.quartic(x.f)?.expect("a polynomial");
            let (w, bits) = quartic(ctx, x, &q, threshold, window)?;
            let table = Table::new(&above(vec![0.0, 1.0 / q.factor]), w.f, RESULT_FRACTION + UNDONE)?;
            piecewise_then(ctx, &w, Some(&bits), &table, RESULT_FRACTION + UNDONE + 4, Then::Cut(UNDONE))
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
            piecewise_then(ctx, &w, Some(&bits), &table, to, Then::Cut(2 * w.f - RESULT_FRACTION))
        }
        Exp::Mapped { coefficients: c, divisor, .. } => {
            // In t = 1 + s x / divisor: low(t) + t^4 high(t), the halves cubic in t.
            let expand = |c: &[f64]| expand(c, 1.0, s / divisor);
            let (low, high) = (expand(&c[..4]), expand(&c[4..]));
            let square = expand(&[0.0, 0.0, 1.0]);
            let low = polynomial(ctx, x, &low, 60, 64)?;
            let high = polynomial(ctx, x, &high, 60, 64)?;
            let square = polynomial(ctx, x, &square, 60, 64)?;
            // t^2 exceeds 1 where the maximum was found too small.
            let cut = 60 - WEIGHT_FRACTION - 1;
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
const LOOSE_FRACTION: f64 = 9.0;
/// Bits with which a quartic's factor is undone.
const UNDONE: u32 = 8;
/// By how much a scaled logit may exceed its row's maximum as it was found, for each level of the tournament and twice for
/// rounding.
const LEVEL: f64 = 1.0 / 32.0;
/// The same in all, for rows of up to 2^14. Every exponential holds its values up to there.
pub(super) const ABOVE: f64 = 0.5;
/// Binary logarithm of what differences of logits stay below, once scaled.
const LARGEST: f64 = 8.0;
const FIRST_FRACTION: u32 = 56;
const SERIES_RING: u32 = 16;
const SERIES_PRODUCT: u32 = 56;
const SERIES_FACTOR: u32 = 40;

/// Exponentials for a softmax, up to a factor of at most 2, as an open wire in a ring of `to` bits with `f` of them fraction:
/// [`WEIGHT_FRACTION`], or for approximations other than the loose one up to 16.
///
/// * Error: that of [`exponential`], and a unit of `f`. Cost: [`weights_cost`].
pub(super) fn weights(ctx: &mut Ctx, x: &Wire, spec: &SoftmaxSpec, f: u32, to: u32) -> Result<Wire, Error> {
    if let Some(q) = spec.quartic(x.f)? {
        assert_eq!(f, WEIGHT_FRACTION, "what the quartic's weights have");
        return quartic_weights(ctx, x, &q, (spec.threshold(x.f)?, spec.window()), to);
    }
    let p = exponential(ctx, x, spec, spec.window())?;
    let p = open(ctx, &p, p.f - f, f + 4)?;
    let p = lift(ctx, &p, to)?;
    open(ctx, &p, 0, to)
}

/// Cost of [`weights`] of a wire in `k` bits.
pub(super) fn weights_cost(n: usize, k: u32, spec: &SoftmaxSpec, f: u32, to: u32) -> Result<Cost, Error> {
    if spec.quartic(spec.logit_fraction())?.is_some() {
        return Ok(quartic_weights_cost(n, spec.window(), to));
    }
    Ok(exponential_cost(n, k, spec, spec.window())?
        + open_cost(&[(n, f + 4)])
        + lift_cost(n, f + 4, to)
        + open_cost(&[(n, to)]))
}

/// Cost of [`exponential`]. Online, each way and an element, for loose: a byte and a bit for the comparison, 2 for the square,
/// 2 for the value.
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
            quartic_cost(n, window) + piecewise_cost(n, &selected(1)?, WEIGHT_RING, RESULT_FRACTION + UNDONE + 4)
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
