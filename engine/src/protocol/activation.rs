//! Piecewise activations: ReLU, SiLU, GELU, QuickGELU by the tables of [`crate::approx`]. Source: protocol.md sections 5, 6.
//!
//! One comparison per border selects among the segments, in the ring of the result:
//!
//! * `x` and constants, linear and exact. ReLU is that alone.
//! * Polynomials. Each is evaluated everywhere, less half way between its largest and least value, and opened in a ring of 8 to
//!   16 bits with up to 12 fraction bits; what is opened is selected. Garbage outside a segment is multiplied by 0.
//!
//! A polynomial of degree 4 at most is one in x, if a ring of 60 bits suffices for it, and is opened with the comparison's first
//! message. One of degree 6 or 8 that is even but for its linear term is that term and a polynomial of degree 3 or 4 in
//! `u = x^2 - centre`, which is opened in 16 bits with the comparison's first message, and the polynomial with its last one.
//!
//! Rings follow from the tables: the smallest in which rounded coefficients are exact to 2^-11. Rounding goes from the
//! highest power down, and each lower one takes up what it can of the error, so that few bits of the highest remain.
//!
//! For x in a ring of 24 bits, with the opening of x; offline for a result in 40 bits with 10 fraction bits (44 with 12 in the
//! last row). The MSE ratio is that of secure to plain approximation, both against the exact function on the paper's
//! intervals, as the tests measure it with the result's fraction bits equal to those of x and a window from 2^-8 up.
//!
//! | table | polynomials | bytes each way | offline | MSE ratio at 10, 12 bits |
//! | --- | --- | --- | --- | --- |
//! | ReLU | | 4.125 | 26 | |
//! | precise SiLU | degree 3 in u, 2 in x | 11.375, 11.875 | 111 | 1.020, 1.008 |
//! | loose SiLU | degree 4 in u | 9.25 | 102 | 1.009, 1.003 |
//! | precise GELU | degree 3 in u, 3 in x | 11.375, 11.875 | 122 | 1.024, 1.000 |
//! | loose GELU (x with 10 bits) | degree 4 in x | 7.25 | 92 | 1.000 |
//! | loose GELU (x with more) | degree 2 in u | 9.25 | 73 | 1.000 |
//!
//! A precise SiLU jumps by 0.06 at x = 4: what a coarse window decides wrongly there weighs.

use super::compare::{Message, compare_beside, compare_cost};
use super::open::{Sealed, open_cost};
use super::pieces::{in_pieces, in_pieces_cost, piece};
use super::piecewise::{Then, piecewise_cost, piecewise_then};
use super::polynomials::{expand, largest, rounded};
use super::{Cost, Ctx, Error, Segment, Share, Table, Window, Wire, piecewise, polynomial, truncate};
use crate::approx::{Piecewise, Segment as Piece, horner};

/// Most fraction bits of a polynomial's value when it is opened.
const SMALL: u32 = 12;
/// Rings of that opening.
const RINGS: [u32; 3] = [8, 12, 16];
/// Ring of u.
const RING: u32 = 16;
/// Largest ring in which a polynomial is evaluated before it is opened.
const LARGEST: u32 = 60;
/// Largest error from rounding a polynomial's coefficients.
const COEFFICIENTS: f64 = 1.0 / 2048.0;
/// Largest error from rounding u by a unit.
const NOISE: f64 = 1.0 / 1024.0;
/// Largest error from rounding the linear term beside an even polynomial.
const LINEAR: f64 = 1.0 / 8192.0;
/// What values of a polynomial may exceed those at the points looked at.
const MARGIN: f64 = 1.0 / 64.0;

/// Formats of an activation.
struct Plan {
    thresholds: Vec<i64>,
    /// `x` and constants.
    wide: Option<Part>,
    /// Polynomials in x.
    direct: Vec<Small>,
    /// Polynomial in `x^2 - centre`.
    even: Option<Even>,
    /// Fraction bits in which the parts are summed, and those of the result.
    fine: u32,
    f: u32,
}

/// What is selected by the comparison's bits: segments of a wire, and the ring that they are wanted in.
struct Part {
    table: Table,
    to: u32,
}

/// A polynomial that is evaluated everywhere and opened.
struct Small {
    table: Table,
    /// Ring in which it is evaluated.
    ring: u32,
    /// Bits cut when it is opened, and the ring of that.
    cut: u32,
    opened: u32,
    /// Its segment.
    part: Part,
}

struct Even {
    centre: f64,
    /// Fraction bits of u, and those of x^2 before it is opened.
    f: u32,
    square: u32,
    /// In u.
    small: Small,
    /// The linear term in x, and by how many bits the ring of what is dealt for it is the smaller one.
    linear: Option<(Table, u32)>,
}

fn everywhere(coefficients: Vec<f64>) -> [Segment; 1] {
    [Segment { above: None, below: None, coefficients }]
}

/// A polynomial between two thresholds.
struct Middle<'a> {
    c: &'a [f64],
    borders: (Option<usize>, Option<usize>),
    /// Where values may lie.
    interval: (f64, f64),
    /// Half way between its largest and least value there: that is taken off before it is opened.
    offset: f64,
    /// Fraction bits and ring of the opening, and fraction bits of the sum.
    f: u32,
    opened: u32,
    fine: u32,
}

impl<'a> Middle<'a> {
    fn new(
        c: &'a [f64],
        borders: (Option<usize>, Option<usize>),
        interval: (f64, f64),
        (f, fine): (u32, u32),
    ) -> Result<Self, Error> {
        let (top, bottom) = (largest(interval, |x| horner(c, x)), -largest(interval, |x| -horner(c, x)));
        let (offset, half, f) = ((top + bottom) / 2.0, (top - bottom) / 2.0 + MARGIN, f.min(SMALL));
        let fits = |k: &u32| half * f64::from(f).exp2() < f64::from(k - 2).exp2();
        let opened = RINGS.into_iter().find(fits).ok_or_else(|| {
            Error::Range(format!("a polynomial between {bottom} and {top} is too large for {f} fraction bits"))
        })?;
        Ok(Self { c, borders, interval, offset, f, opened, fine })
    }

    /// The smallest ring for a polynomial with these coefficients, in a wire with `fx` fraction bits on an interval, whose
    /// value is opened as this one's.
    fn small(&self, c: &[f64], interval: (f64, f64), fx: u32, to: impl Fn(u32) -> u32) -> Result<Option<Small>, Error> {
        let formats = (self.opened + 4..=LARGEST).step_by(4).map(|ring| (ring, ring - self.opened));
        for (ring, cut) in formats {
            let f = self.f + cut;
            let (c, error) = rounded(c, interval, fx, f);
            if error < COEFFICIENTS {
                let (above, below) = self.borders;
                let segment = Segment { above, below, coefficients: vec![self.offset, 1.0] };
                let selected = Table::new(&[segment], self.f, self.f)?.widened(self.fine - self.f);
                let part = Part { table: selected, to: to(self.f) };
                let table = Table::new(&everywhere(c), fx, f)?;
                return Ok(Some(Small { table, ring, cut, opened: self.opened, part }));
            }
        }
        Ok(None)
    }

    /// As a polynomial in x.
    fn direct(&self, fx: u32, to: impl Fn(u32) -> u32) -> Result<Option<Small>, Error> {
        if self.c.len() > 5 {
            return Ok(None);
        }
        let mut c = self.c.to_vec();
        c[0] -= self.offset;
        self.small(&c, self.interval, fx, to)
    }

    /// As an even polynomial and a linear term.
    fn even(&self, fx: u32, to: impl Fn(u32) -> u32) -> Result<Even, Error> {
        let (c, degree) = (self.c, self.c.len() - 1);
        if c.iter().skip(3).step_by(2).any(|a| *a != 0.0) || degree > 8 {
            return Err(Error::Range(format!("no form for a polynomial of degree {degree}")));
        }
        let border = self.interval.0.abs().max(self.interval.1.abs());
        let centre = border * border / 2.0;
        let mut in_square: Vec<f64> = c.iter().step_by(2).copied().collect();
        in_square[0] -= self.offset;
        let in_u = expand(&in_square, centre, 1.0);
        let derivative: Vec<f64> = in_u.iter().enumerate().skip(1).map(|(j, a)| a * j as f64).collect();
        let slope = largest((-centre, centre), |u| horner(&derivative, u).abs());
        let none = || Error::Range(format!("no format for an even polynomial up to {border}"));
        let fits = |f: &u32| centre * f64::from(*f).exp2() < f64::from(RING - 2).exp2();
        let f = (4..RING).filter(fits).find(|f| slope * (-f64::from(*f)).exp2() <= NOISE).ok_or_else(none)?;
        let small = self.small(&in_u, (-centre, centre), f, to)?.ok_or_else(none)?;
        let mut linear = None;
        if c[1] != 0.0 {
            // The smallest ring in which the coefficient is near enough; within the ring of x nothing is dealt.
            for ring in (NARROW.min(small.ring)..=small.ring).step_by(4) {
                let less = small.ring - ring;
                let bits = (f64::from(small.table.f - less) - f64::from(fx)).exp2();
                if (c[1] - (c[1] * bits).round() / bits).abs() * border < LINEAR || less == 0 {
                    let table = Table::new(&everywhere(vec![0.0, c[1]]), fx, small.table.f - less)?;
                    linear = Some((table.widened(less), less));
                    break;
                }
            }
        }
        Ok(Even { centre, f, square: f.max(2 * fx), small, linear })
    }
}

/// Rings below this one save nothing where the linear term of an even polynomial is evaluated.
const NARROW: u32 = 24;

impl Even {
    /// Ring of x^2 before it is opened: what is cut, and what is left.
    fn square_ring(&self) -> u32 {
        (self.square - self.f + RING).next_multiple_of(4)
    }

    fn square(&self, ctx: &mut Ctx, x: &Wire) -> Result<Share, Error> {
        polynomial(ctx, x, &[-self.centre, 0.0, 1.0], self.square, self.square_ring())
    }

    fn value(&self, ctx: &mut Ctx, x: &Wire, u: &Wire) -> Result<Share, Error> {
        let Small { table, ring, .. } = &self.small;
        let Some((linear, less)) = &self.linear else { return piecewise(ctx, u, None, table, *ring) };
        let l = piecewise(ctx, x, None, linear, ring - less)?;
        piecewise_then(ctx, u, None, table, *ring, Then::Add(&l))
    }
}

impl Small {
    /// The share that is opened, the bits to cut, the ring.
    fn opening(&self, y: Share) -> (Share, u32, u32) {
        (y, self.cut, self.opened)
    }
}

impl Plan {
    fn new(table: &Piecewise, fx: u32, window: Window, f: u32, to: u32) -> Result<Self, Error> {
        let unit = f64::from(fx).exp2();
        // A value this close to a border may be taken for one beyond it.
        let slack = f64::from(window.lo).exp2() / unit;
        let last = table.segments.len() - 1;
        let fine = fx.max(f);
        // Ring of a part with so many fraction bits, which gains by the factor to those of the sum.
        let ring = |part: u32| (to + part).saturating_sub(f).next_multiple_of(4).max(4);
        if ring(fx) > 64 || ring(f.min(SMALL)) > 64 {
            return Err(Error::Range(format!("an activation in {to} bits with {f} of them fraction")));
        }
        let (mut wide, mut direct, mut even) = (vec![], vec![], None);
        for (i, piece) in table.segments.iter().enumerate() {
            let (above, below) = ((i > 0).then(|| i - 1), (i < last).then_some(i));
            let mut segment = |coefficients| wide.push(Segment { above, below, coefficients });
            let c = match piece {
                Piece::Zero => continue,
                Piece::Identity => {
                    segment(vec![0.0, 1.0]);
                    continue;
                }
                Piece::Poly(c) if c.len() == 1 => {
                    segment(vec![c[0], 0.0]);
                    continue;
                }
                Piece::Poly(c) => c,
            };
            let (Some(a), Some(b)) = (above, below) else {
                return Err(Error::Range("a polynomial between borders on both sides".into()));
            };
            let interval = (table.thresholds[a] - slack, table.thresholds[b] + slack);
            let middle = Middle::new(c, (above, below), interval, (f, fine))?;
            match middle.direct(fx, ring)? {
                Some(small) => direct.push(small),
                None if even.is_none() => even = Some(middle.even(fx, ring)?),
                None => return Err(Error::Range("two polynomials of more than degree 4".into())),
            }
        }
        let wide = (!wide.is_empty()).then(|| Table::new(&wide, fx, fx)).transpose()?.map(|t| t.widened(fine - fx));
        Ok(Self {
            thresholds: table.thresholds.iter().map(|t| (t * unit).round() as i64).collect(),
            wide: wide.map(|table| Part { table, to: ring(fx) }),
            direct,
            even,
            fine,
            f,
        })
    }

    /// Polynomials that are opened.
    fn smalls(&self) -> impl Iterator<Item = &Small> {
        self.direct.iter().chain(self.even.iter().map(|e| &e.small))
    }

    /// Elements at a time, for a wire of `k` bits.
    fn piece(&self, k: u32) -> usize {
        let wide = self.wide.iter().map(|p| p.table.dealt_words(k, p.to));
        let direct = self.direct.iter().map(|s| s.table.dealt_words(k, s.ring));
        let even = self.even.iter().map(|e| e.small.table.dealt_words(RING, e.small.ring));
        let parts = self.smalls().map(|s| s.part.table.dealt_words(s.opened, s.part.to));
        piece(wide.chain(direct).chain(even).chain(parts).max().unwrap_or(1))
    }
}

/// Applies a table to every element: `f` fraction bits, in a ring of at least `to` bits.
///
/// * Before: a wire in Z_2^k with `|x| < 2^(k-2)`, inside the window's signed range. After: additive share.
/// * Error: that of the table, plus the rounding of x, of u (its unit times the slope is at most 2^-10), of the coefficients
///   (2^-11) and of the result (2^-12, or a unit of `f` if that is larger). A value within `2^(lo-1)` units of a border may
///   get the neighbouring segment.
/// * Cost: [`activation_cost`]; 2 rounds (one more for windows of more than 17 bits). Large tensors take them for each piece of
///   them, of 2^20 elements or so.
pub fn activation(ctx: &mut Ctx, x: &Wire, table: &Piecewise, window: Window, f: u32, to: u32) -> Result<Share, Error> {
    let p = Plan::new(table, x.f, window, f, to)?;
    in_pieces(ctx, x, p.piece(x.k), |ctx, x| whole(ctx, x, &p, window))
}

fn whole(ctx: &mut Ctx, x: &Wire, p: &Plan, window: Window) -> Result<Share, Error> {
    let mut first = Vec::with_capacity(p.direct.len() + 1);
    for s in &p.direct {
        let y = piecewise(ctx, x, None, &s.table, s.ring)?;
        first.push(s.opening(y));
    }
    if let Some(e) = &p.even {
        first.push((e.square(ctx, x)?, e.square - e.f, RING));
    }
    let also: Vec<_> = first.iter().map(|(s, cut, k)| (s, *cut, *k)).collect();
    let messages = |s: &Sealed| -> Vec<Message> { s.messages().into_iter().map(|(b, n)| (b.clone(), n)).collect() };
    let sealed = Sealed::new(ctx, &also)?;
    let (mut opened, mut last, beside) = (vec![], None, messages(&sealed));
    let (bits, _, theirs) = compare_beside(ctx, x, &p.thresholds, window, beside, |ctx, theirs| {
        opened = sealed.finish(ctx, theirs)?;
        let Some(e) = &p.even else { return Ok(vec![]) };
        let u = opened.pop().expect("the square's wire");
        let (y, cut, ring) = e.small.opening(e.value(ctx, x, &u)?);
        let sealed = last.insert(Sealed::new(ctx, &[(&y, cut, ring)])?);
        Ok(messages(sealed))
    })?;
    if let Some(sealed) = last {
        opened.extend(sealed.finish(ctx, &theirs)?);
    }
    let wide = p.wide.iter().map(|part| (x, part));
    let mut sum: Option<Share> = None;
    for (wire, part) in wide.chain(opened.iter().zip(p.smalls().map(|s| &s.part))) {
        let then = sum.as_ref().map_or(Then::Nothing, Then::Add);
        sum = Some(piecewise_then(ctx, wire, Some(&bits), &part.table, part.to, then)?);
    }
    let y = sum.ok_or_else(|| Error::Range("a table of zeros".into()))?;
    truncate(ctx, &y, p.fine - p.f)
}

/// Cost of [`activation`] for `n` elements of a wire with (ring, fraction) bits. Online, each way and an element: that of
/// the comparisons (a byte and a bit per border), 2 bytes for u, and for each polynomial 1 to 2 bytes.
pub fn activation_cost(
    n: usize,
    (k, fx): (u32, u32),
    table: &Piecewise,
    window: Window,
    f: u32,
    to: u32,
) -> Result<Cost, Error> {
    let p = Plan::new(table, fx, window, f, to)?;
    in_pieces_cost(n, p.piece(k), |n| Ok(whole_cost(n, k, &p, window)))
}

fn whole_cost(n: usize, k: u32, p: &Plan, window: Window) -> Cost {
    let mut c = compare_cost(n, p.thresholds.len(), window);
    // Openings share the comparison's rounds.
    let open = |ring: u32| Cost { half_rounds: 0, ..open_cost(&[(n, ring)]) };
    if let Some(e) = &p.even {
        let square = Table::new(&everywhere(vec![0.0, 0.0, 1.0]), 0, 0).expect("a coefficient of 1");
        c = c + piecewise_cost(n, &square, k, e.square_ring()) + open(RING);
        c = c + piecewise_cost(n, &e.small.table, RING, e.small.ring);
        if let Some((linear, less)) = &e.linear {
            c = c + piecewise_cost(n, linear, k, e.small.ring - less);
        }
    }
    for s in &p.direct {
        c = c + piecewise_cost(n, &s.table, k, s.ring);
    }
    for s in p.smalls() {
        c = c + open(s.opened) + piecewise_cost(n, &s.part.table, s.opened, s.part.to);
    }
    if let Some(part) = &p.wide {
        c = c + piecewise_cost(n, &part.table, k, part.to);
    }
    c
}
