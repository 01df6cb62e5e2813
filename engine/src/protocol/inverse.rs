//! Reciprocal and reciprocal square root of a positive masked wire.
//!
//! The half octave of the value is found by parallel comparisons, the value is scaled into [1/sqrt 2, 1), and a cubic is
//! evaluated there with coefficients that already contain the octave's factor. Source: protocol.md section 7.

use super::compare::{MANY, ONE_GROUP, compare_cost};
use super::open::open_cost;
use super::piecewise::piecewise_cost;
use super::{Cost, Ctx, Error, Segment, Share, Table, Window, Wire, compare, open, piecewise, truncate};

/// Declared range of the wire's integer value: `2^lo <= value < 2^hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octaves {
    /// Binary logarithm of the smallest value.
    pub lo: u32,
    /// Binary logarithm of the bound.
    pub hi: u32,
}

/// Bits of the scaled value's fraction.
const FRACTION: u32 = 13;
/// Ring in which it is opened.
const RING: u32 = 16;
/// Bits that the inverse of the largest border has, at least.
const UNITS: u32 = 10;
/// Fraction bits of an opened cubic, and its ring: it stays below 8.
const CUBIC_FRACTION: u32 = 18;
const CUBIC_RING: u32 = 24;

impl Octaves {
    /// Upper borders of the half octaves, `sqrt 2` apart.
    fn borders(self) -> Vec<f64> {
        (1..=2 * (self.hi - self.lo)).map(|i| (self.lo as f64 + i as f64 / 2.0).exp2()).collect()
    }

    /// Nine bits below the smallest value, or as few as four if small digits, or else one group of them, suffice then.
    fn window(self) -> Window {
        let (hi, fine) = (self.hi + 1, self.lo.saturating_sub(9));
        let short = |bits: u32| hi.saturating_sub(bits).max(fine);
        let lo = [17, ONE_GROUP].map(short).into_iter().find(|lo| lo + 4 <= self.lo);
        Window { lo: lo.unwrap_or(fine), hi }
    }

    /// Largest relative distance from a border at which a comparison may be wrong.
    fn slack(self) -> f64 {
        (f64::from(self.window().lo) - 1.0 - f64::from(self.lo)).exp2()
    }
}

/// Cubic through the Chebyshev nodes of [1/sqrt 2, 1], widened by a relative slack, for `v^p`.
fn cubic(p: f64, slack: f64) -> [f64; 4] {
    let (a, b) = (0.5f64.sqrt() * (1.0 - slack), 1.0 + slack);
    let nodes: [f64; 4] = std::array::from_fn(|i| {
        (a + b) / 2.0 + (b - a) / 2.0 * (std::f64::consts::PI * (2 * i + 1) as f64 / 8.0).cos()
    });
    // Newton's divided differences, expanded.
    let mut d: [f64; 4] = nodes.map(|v| v.powf(p));
    for j in 1..4 {
        for i in (j..4).rev() {
            d[i] = (d[i] - d[i - 1]) / (nodes[i] - nodes[i - j]);
        }
    }
    let mut c = [d[3], 0.0, 0.0, 0.0];
    for i in (0..3).rev() {
        for j in (1..4).rev() {
            c[j] = c[j - 1] - nodes[i] * c[j];
        }
        c[0] = d[i] - nodes[i] * c[0];
    }
    c
}

struct Plan {
    thresholds: Vec<i64>,
    scale: Table,
    /// Ring of the scaled value before it is opened, and the bits cut from it.
    scaled: (u32, u32),
    result: Table,
    drop: u32,
    many: Option<Many>,
}

/// For many elements: the cubic once, and its opened value times the octave's factor.
struct Many {
    cubic: Table,
    factors: Table,
    to: u32,
    drop: u32,
}

impl Many {
    /// For a result with `f` bits in a ring of `ring`; none where what is left of 64 bits is too little for the factors.
    fn new(c: &[f64; 4], factors: &[(usize, f64)], last: usize, f: u32, ring: u32) -> Result<Option<Self>, Error> {
        // A factor's rounding is multiplied by a cubic of CUBIC bits: what it amounts to is cut off.
        let drop = (CUBIC_FRACTION + 8).next_multiple_of(4);
        if ring + drop > 64 {
            return Ok(None);
        }
        let everywhere = Segment { above: None, below: None, coefficients: c.to_vec() };
        let factors: Vec<Segment> = factors.iter().map(|(i, g)| segment(*i, last, vec![0.0, *g])).collect();
        Ok(Some(Self {
            cubic: Table::new(&[everywhere], FRACTION, 64 - CUBIC_RING + CUBIC_FRACTION)?,
            factors: Table::new(&factors, CUBIC_FRACTION, f + drop)?,
            to: ring + drop,
            drop,
        }))
    }
}

/// A polynomial on half octave `i`, the last of which is `last`.
fn segment(i: usize, last: usize, coefficients: Vec<f64>) -> Segment {
    Segment { above: (i > 0).then(|| i - 1), below: (i < last).then_some(i), coefficients }
}

fn plan(power: f64, gain: f64, range: Octaves, f: u32) -> Result<Plan, Error> {
    let borders = range.borders();
    let last = borders.len() - 1;
    // v' = value / unit in [1/sqrt 2, 1), cut to FRACTION. 1 / unit has few bits for a large border: rather than the border
    // itself its rounded stand-in is undone in the result.
    let ring = (range.hi + RING - FRACTION + UNITS).next_multiple_of(4).min(64);
    let fraction = ring - RING + FRACTION;
    let one = f64::from(fraction).exp2();
    let units: Vec<f64> = borders.iter().map(|u| one / (one / u).round()).collect();
    if !units.iter().zip(&borders).all(|(v, u)| (v / u - 1.0).abs() < 0.03) {
        return Err(Error::Range(format!("values up to 2^{} are too large to be inverted", range.hi)));
    }
    let scale: Vec<Segment> = units.iter().enumerate().map(|(i, u)| segment(i, last, vec![0.0, 1.0 / u])).collect();
    let scale = Table::new(&scale, 0, fraction)?;
    let c = cubic(power, range.slack());
    let top = units.iter().map(|u| gain * u.powf(power)).fold(0.0, f64::max) * 1.5;
    let fine = (60 - top.log2().ceil().max(-40.0) as i64).clamp(f as i64, 62) as u32;
    // The result's ring is that of a wire: a multiple of 4.
    let fine = f + (fine - f) / 4 * 4;
    let drop = fine - f;
    let factors: Vec<(usize, f64)> = units.iter().map(|u| gain * u.powf(power)).enumerate().collect();
    let result: Vec<Segment> =
        factors.iter().map(|(i, g)| segment(*i, last, c.iter().map(|a| a * g).collect())).collect();
    let result = Table::new(&result, FRACTION, fine)?;
    let thresholds = borders[..last].iter().map(|u| u.round() as i64).collect();
    let many = Many::new(&c, &factors, last, f, 64 - drop)?;
    Ok(Plan { thresholds, scale, scaled: (ring, fraction - FRACTION), drop, result, many })
}

impl Plan {
    /// For so many elements a round more is worth the bytes and the time that it saves.
    fn many(&self, n: usize) -> Option<&Many> {
        self.many.as_ref().filter(|_| n >= MANY)
    }
}

/// `gain * value^power` for `power` -1 (reciprocal) or -1/2 (reciprocal square root); `value` is the wire's *integer*, so
/// the wire's own scale belongs into `gain`. The result has `f` fraction bits.
///
/// * Needs `2^lo <= value < 2^hi`, `hi < k - 1` and `hi <= 53`. A smaller value gets at most 2.5 times the result at `2^lo`
///   (4.5 times for the reciprocal).
/// * Error: relative 3e-4 at most (cubic 5e-5, or 1e-4 where the window is short; rounding of the scaled value 2^-13), plus one
///   unit of the result.
/// * Cost: see [`inverse_cost`]; 3 rounds, or 4 for values that range over more than 24 octaves; for 1024 elements or more one more, in which the
///   cubic is opened and then multiplied by the octave's factor, instead of a cubic for every half octave.
pub fn inverse(ctx: &mut Ctx, x: &Wire, power: f64, gain: f64, range: Octaves, f: u32) -> Result<Share, Error> {
    let p = plan(power, gain, range, f)?;
    let bits = compare(ctx, x, &p.thresholds, range.window())?;
    let (ring, cut) = p.scaled;
    let scaled = piecewise(ctx, x, Some(&bits), &p.scale, ring)?;
    let v = open(ctx, &scaled, cut, RING)?;
    if let Some(many) = p.many(x.n) {
        let y = piecewise(ctx, &v, None, &many.cubic, 64)?;
        let w = open(ctx, &y, 64 - CUBIC_RING, CUBIC_RING)?;
        let y = piecewise(ctx, &w, Some(&bits), &many.factors, many.to)?;
        return truncate(ctx, &y, many.drop);
    }
    let y = piecewise(ctx, &v, Some(&bits), &p.result, 64)?;
    truncate(ctx, &y, p.drop)
}

/// Ring of the result of [`inverse`].
pub(super) fn result_ring(power: f64, gain: f64, range: Octaves, f: u32) -> Result<u32, Error> {
    Ok(64 - plan(power, gain, range, f)?.drop)
}

/// Cost of [`inverse`].
pub fn inverse_cost(n: usize, wire: u32, power: f64, gain: f64, range: Octaves, f: u32) -> Result<Cost, Error> {
    let p = plan(power, gain, range, f)?;
    let scaled = compare_cost(n, p.thresholds.len(), range.window())
        + piecewise_cost(n, &p.scale, wire, p.scaled.0)
        + open_cost(&[(n, RING)]);
    Ok(match p.many(n) {
        Some(many) => {
            scaled
                + piecewise_cost(n, &many.cubic, RING, 64)
                + open_cost(&[(n, CUBIC_RING)])
                + piecewise_cost(n, &many.factors, CUBIC_RING, many.to)
        }
        None => scaled + piecewise_cost(n, &p.result, RING, 64),
    })
}
