//! Piecewise activations: ReLU, SiLU, GELU, QuickGELU by the tables of [`crate::approx`]. Source: protocol.md sections 5, 6.
//!
//! One comparison per border selects among three sums of segments, all multiplied by the same opened bits:
//!
//! * *wide*: `x` and `x / 2`, linear and exact, directly in the ring of the result. ReLU is that alone.
//! * *direct*: polynomials of low degree in x, with 60 fraction bits.
//! * *even*: a polynomial of degree 6 or 8 that is even but for its linear term becomes `x / 2` (wide), the rest of the
//!   linear term (direct, left out where it is below 2^-13) and a polynomial of degree 3 or 4 in `u = x^2 - centre`, which
//!   is opened in a ring of 16 bits together with the comparison's first message.
//!
//! The direct and even sums are small there: below 4. They leave their 64 bits by an opening in 16 with 12 fraction bits,
//! and are lifted to the ring of the result. Garbage outside a segment is multiplied by 0.
//!
//! Formats that follow from the tables for x with 10 or 12 fraction bits in a ring of 24. Cost with the opening of x; the MSE
//! ratio is that of secure to plain approximation, both against the exact function on the paper's intervals, as the tests
//! measure it with the result's fraction bits equal to those of x and a window from 2^-8 up.
//!
//! | table | even part | u's fraction bits | direct part | bytes each way | offline | MSE ratio at 10, 12 bits |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | ReLU | | | | 4.125 | 29 | |
//! | precise SiLU | degree 3 | 10 | degree 2 | 10.375 | 216 | 1.018, 1.006 |
//! | loose SiLU | degree 4 | 8 | | 9.25 | 182 | 1.007, 1.003 |
//! | precise GELU | degree 3 | 11 | degree 3 | 10.375 | 242 | 1.003, 1.000 |
//! | loose GELU (x with 10 bits) | | | degree 4 | 7.25 | 152 | 0.999 |
//! | loose GELU (x with more) | degree 2 | 11 | degree 1 | 9.25 | 167 | 1.000 |
//!
//! A precise SiLU jumps by 0.06 at x = 4: what a coarse window decides wrongly there weighs. From 2^-7 up its ratio is 1.03.

use super::compare::{compare_and_open, compare_cost};
use super::local::Map;
use super::open::{lift_cost, open_cost};
use super::pieces::{in_pieces, in_pieces_cost, piece};
use super::piecewise::piecewise_cost;
use super::softmax::expand;
use super::{
    Cost, Ctx, Error, Segment, Share, Table, Window, Wire, add, lift, open, piecewise, polynomial, scale, truncate,
};
use crate::approx::{Piecewise, Segment as Piece};

/// Fraction bits of the direct and even parts when they are opened.
const SMALL: u32 = 12;
/// Ring of that opening and of u.
const RING: u32 = 16;
/// Fraction bits of the direct and even parts: so many that their opening uses all of Z_2^64.
const FINE: u32 = 64 - RING + SMALL;
/// Bound of the direct and even parts: a quarter of the ring.
const BOUND: f64 = (1u64 << (RING - 2 - SMALL)) as f64;
/// Largest error from rounding a part's coefficients.
const COEFFICIENTS: f64 = 1.0 / 2048.0;
/// A linear term this small at the border of its segment is left out.
const NEGLIGIBLE: f64 = 1.0 / 8192.0;

/// Formats of an activation.
struct Plan {
    thresholds: Vec<i64>,
    /// `x` and `x / 2`.
    wide: Option<Table>,
    /// Polynomials in x.
    direct: Option<Table>,
    /// Polynomial in `x^2 - centre`.
    even: Option<Even>,
    /// Fraction bits of the wide part, and its ring.
    f: u32,
    k: u32,
}

struct Even {
    centre: f64,
    table: Table,
    /// Fraction bits of u, and those of x^2 before it is opened.
    f: u32,
    square: u32,
}

/// Largest value that the rounding of coefficients of a polynomial can amount to, for a result of [`FINE`] bits.
fn rounding(degree: usize, fx: u32, border: f64) -> f64 {
    let bits = |j: usize| f64::from(fx) * j as f64 - f64::from(FINE) - 1.0;
    (0..=degree).map(|j| bits(j).exp2() * border.powi(j as i32)).sum()
}

impl Even {
    /// Ring of x^2 before it is opened: what is cut, and what is left.
    fn square_ring(&self) -> u32 {
        (self.square - self.f + RING).next_multiple_of(4)
    }

    /// Coefficients `c` of an even polynomial for `|x| <= border`.
    fn new(c: &[f64], border: f64, fx: u32, borders: (Option<usize>, Option<usize>)) -> Result<Self, Error> {
        let centre = border * border / 2.0;
        let in_square: Vec<f64> = c.iter().step_by(2).copied().collect();
        let degree = in_square.len() - 1;
        // As many bits of u as its ring and the coefficients' rounding allow.
        let f = (4..=RING - 2)
            .rev()
            .find(|f| {
                centre * f64::from(*f).exp2() < f64::from(RING - 2).exp2()
                    && rounding(degree, *f, centre) < COEFFICIENTS
            })
            .ok_or_else(|| Error::Range(format!("no format for an even polynomial up to {border}")))?;
        let segment = Segment { above: borders.0, below: borders.1, coefficients: expand(&in_square, centre, 1.0) };
        Ok(Self { centre, table: Table::new(&[segment], f, FINE)?, f, square: f.max(2 * fx) })
    }
}

impl Plan {
    fn new(table: &Piecewise, fx: u32, window: Window, f: u32, to: u32) -> Result<Self, Error> {
        let unit = f64::from(fx).exp2();
        // A value this close to a border may be taken for one beyond it.
        let slack = f64::from(window.lo).exp2() / unit;
        let last = table.segments.len() - 1;
        let (mut wide, mut direct, mut even) = (vec![], vec![], None);
        for (i, piece) in table.segments.iter().enumerate() {
            let (above, below) = ((i > 0).then(|| i - 1), (i < last).then_some(i));
            let segment = |coefficients: &[f64]| Segment { above, below, coefficients: coefficients.to_vec() };
            let c = match piece {
                Piece::Zero => continue,
                Piece::Identity => {
                    wide.push(segment(&[0.0, 1.0]));
                    continue;
                }
                Piece::Poly(c) => c,
            };
            let ends = [above, below].map(|b| b.map(|b| table.thresholds[b]));
            let border = match ends {
                [Some(a), Some(b)] => a.abs().max(b.abs()) + slack,
                _ if c.len() == 1 => 0.0,
                _ => return Err(Error::Range("a polynomial between borders on both sides".into())),
            };
            let mut small = c.clone();
            if c.len() <= 5 && rounding(c.len() - 1, fx, border) < COEFFICIENTS {
                direct.push(segment(c));
            } else {
                if c.iter().skip(3).step_by(2).any(|a| *a != 0.0) || c.len() > 9 || even.is_some() {
                    return Err(Error::Range(format!("no form for a polynomial of degree {}", c.len() - 1)));
                }
                small[1] -= 0.5;
                wide.push(segment(&[0.0, 0.5]));
                if small[1].abs() * border > NEGLIGIBLE {
                    direct.push(segment(&[0.0, small[1]]));
                }
                even = Some(Even::new(
                    &c.iter().enumerate().map(|(j, a)| if j == 1 { 0.0 } else { *a }).collect::<Vec<_>>(),
                    border,
                    fx,
                    (above, below),
                )?);
            }
            if let [Some(a), Some(b)] = ends {
                let at = |i: i32| a - slack + (b - a + 2.0 * slack) * f64::from(i) / 256.0;
                let largest = (0..=256).map(|i| crate::approx::horner(&small, at(i)).abs()).fold(0.0, f64::max);
                if largest >= BOUND {
                    return Err(Error::Range(format!("a polynomial reaches {largest}, {BOUND} is too large")));
                }
            }
        }
        // Halves need a bit more than x has.
        let narrow = !direct.is_empty() || even.is_some();
        let fine = [fx + u32::from(even.is_some()), f, if narrow { SMALL } else { 0 }].into_iter().max().unwrap_or(f);
        let k = (to + fine - f).next_multiple_of(4);
        if k > 64 {
            return Err(Error::Range(format!("an activation in {to} bits with {f} of them fraction")));
        }
        let encode = |s: &[Segment], f: u32| if s.is_empty() { Ok(None) } else { Table::new(s, fx, f).map(Some) };
        Ok(Self {
            thresholds: table.thresholds.iter().map(|t| (t * unit).round() as i64).collect(),
            wide: encode(&wide, fine)?,
            direct: encode(&direct, FINE)?,
            even,
            f: fine,
            k,
        })
    }

    /// Elements at a time, for a wire of `k` bits.
    fn piece(&self, k: u32) -> usize {
        let small = self.even.iter().map(|e| e.table.dealt_words(RING, 64));
        let wide = self.wide.iter().map(|t| t.dealt_words(k, self.k));
        piece(small.chain(wide).chain(self.direct.iter().map(|t| t.dealt_words(k, 64))).max().unwrap_or(1))
    }
}

/// Largest ring that [`activation`] can be asked for, with `f` fraction bits before and after.
pub fn activation_ring(f: u32) -> u32 {
    (64 - (SMALL.max(f + 1) - f)) / 4 * 4
}

/// Applies a table to every element: `f` fraction bits, in a ring of at least `to` bits.
///
/// * Before: a wire in Z_2^k with `|x| < 2^(k-2)`, inside the window's signed range. After: additive share.
/// * Error: that of the table, plus the rounding of x, u (2^-8 to 2^-11 times a slope of 1/4) and of the result (2^-12, or a
///   unit of `f` if that is larger). A value within `2^(lo-1)` units of a border may get the neighbouring segment.
/// * Cost: [`activation_cost`]; 3 rounds, for ReLU 2 (one more for windows of more than 17 bits). Large tensors take them for each
///   piece of them, of 2^20 elements or so.
pub fn activation(ctx: &mut Ctx, x: &Wire, table: &Piecewise, window: Window, f: u32, to: u32) -> Result<Share, Error> {
    let p = Plan::new(table, x.f, window, f, to)?;
    in_pieces(ctx, x, p.piece(x.k), |ctx, x| whole(ctx, x, &p, window, f))
}

fn whole(ctx: &mut Ctx, x: &Wire, p: &Plan, window: Window, f: u32) -> Result<Share, Error> {
    let square = match &p.even {
        Some(e) => Some((polynomial(ctx, x, &[-e.centre, 0.0, 1.0], e.square, e.square_ring())?, e)),
        None => None,
    };
    let also: Vec<_> = square.iter().map(|(s, e)| (s, e.square - e.f, RING)).collect();
    let (bits, u) = compare_and_open(ctx, x, &p.thresholds, window, &also)?;
    let wide = p.wide.as_ref().map(|t| piecewise(ctx, x, Some(&bits), t, p.k)).transpose()?;
    let direct = p.direct.as_ref().map(|t| piecewise(ctx, x, Some(&bits), t, 64)).transpose()?;
    let even = match (&p.even, u.first()) {
        (Some(e), Some(u)) => Some(piecewise(ctx, u, Some(&bits), &e.table, 64)?),
        _ => None,
    };
    let small = sum(ctx, direct, even)?;
    let small = match small {
        Some(s) => {
            let w = open(ctx, &s, FINE - SMALL, RING)?;
            let s = lift(ctx, &w, p.k)?;
            Some(scale(ctx, &s, 1 << (p.f - SMALL), 0, p.f)?)
        }
        None => None,
    };
    let y = sum(ctx, wide, small)?.ok_or_else(|| Error::Range("a table of zeros".into()))?;
    truncate(ctx, &y, p.f - f)
}

fn sum(ctx: &mut Ctx, a: Option<Share>, b: Option<Share>) -> Result<Option<Share>, Error> {
    match (a, b) {
        (Some(a), Some(b)) => add(ctx, &a, 1, &b, 1, Map::SAME).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// Cost of [`activation`] for `n` elements of a wire with (ring, fraction) bits. Online, each way and an element: that of
/// the comparisons (a byte and a bit per border), 2 bytes for u, 2 bytes for the small parts.
pub fn activation_cost(
    n: usize,
    (k, fx): (u32, u32),
    table: &Piecewise,
    window: Window,
    f: u32,
    to: u32,
) -> Result<Cost, Error> {
    let p = Plan::new(table, fx, window, f, to)?;
    in_pieces_cost(n, p.piece(k), |n| whole_cost(n, k, &p, window))
}

fn whole_cost(n: usize, k: u32, p: &Plan, window: Window) -> Result<Cost, Error> {
    let mut c = compare_cost(n, p.thresholds.len(), window);
    if let Some(e) = &p.even {
        // Shares the comparison's first round.
        c = c + polynomial_cost(n, k, e.square_ring())? + Cost { half_rounds: 0, ..open_cost(&[(n, RING)]) };
        c = c + piecewise_cost(n, &e.table, RING, 64);
    }
    if let Some(t) = &p.wide {
        c = c + piecewise_cost(n, t, k, p.k);
    }
    if let Some(t) = &p.direct {
        c = c + piecewise_cost(n, t, k, 64);
    }
    if p.direct.is_some() || p.even.is_some() {
        c = c + open_cost(&[(n, RING)]) + lift_cost(n, RING, p.k);
    }
    Ok(c)
}

fn polynomial_cost(n: usize, k: u32, to: u32) -> Result<Cost, Error> {
    let square = Segment { above: None, below: None, coefficients: vec![0.0, 0.0, 1.0] };
    Ok(piecewise_cost(n, &Table::new(&[square], 0, 0)?, k, to))
}
