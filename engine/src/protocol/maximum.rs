//! Row maximum by a tournament: `max(a, b) = b + relu(a - b)`. Source: protocol.md section 7.
//!
//! A level pairs the first columns of a row with its last ones; in a row of odd width the middle column is in two pairs.

use super::compare::{compare_cost, row};
use super::open::{Sealed, open_cost};
use super::{Cost, Ctx, Error, Window, Wire, compare, packed_bytes};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::{args, bufs};

/// A level: rows, pairs of a row, and the width of its rows.
#[derive(Clone, Copy)]
struct Level {
    rows: usize,
    half: usize,
    width: usize,
}

impl Level {
    /// The levels of rows of a width, first to last.
    fn of(rows: usize, cols: usize) -> impl Iterator<Item = Level> {
        let widths = std::iter::successors(Some(cols), |w| Some(w.div_ceil(2)));
        widths.take_while(|w| *w > 1).map(move |width| Level { rows, half: width.div_ceil(2), width })
    }

    /// Pairs of all rows.
    fn pairs(self) -> usize {
        self.rows * self.half
    }

    /// A kernel that reads pairs.
    fn kernel(self, kernel: Kernel) -> Kernel {
        let eights = self.half.is_multiple_of(8) && self.width.is_multiple_of(8);
        if eights { kernel.with("EIGHTS") } else { kernel }
    }

    /// Differences of the pairs.
    fn differences(self, rec: &mut Recorder, x: &Buf) -> Result<Buf, Error> {
        let n = self.pairs();
        let out = rec.words(n)?;
        let args = args![n: n, half: self.half, width: self.width];
        rec.run(&self.kernel(Kernel::new("pairs")), args, bufs![x: x, out: &out], n.div_ceil(8))?;
        Ok(out)
    }

    /// The winners, opened.
    fn winners(self, ctx: &mut Ctx, w: &Wire, window: Window) -> Result<Wire, Error> {
        let (n, k) = (self.pairs(), w.k);
        // A comparison asks the dealer for masks, and parties for what is opened.
        let (lam, delta) = match &w.delta {
            Some(delta) => (w.lam.clone(), Some(self.differences(&mut ctx.rec, delta)?)),
            None => (self.differences(&mut ctx.rec, &w.lam)?, None),
        };
        let difference = Wire { n, delta, lam, fresh: false, ..*w };
        let bits = compare(ctx, &difference, &[0], window)?;
        let keys = ctx.keys();
        let dealt = ctx.deal_packed(2 * row(n), k, |ctx, [n0, n1, n2], msg| {
            let used = bufs![keys: &keys, lam: &difference.lam, bits: &bits.masks, msg: msg];
            let args = args![n: row(n), n0: n0, n1: n1, n2: n2];
            Ok(ctx.rec.run(&Kernel::new("maximum_deal").bits(k), args, used, row(n) / 8)?)
        })?;
        let (lam, msg) = match (&dealt, &bits.opened) {
            (Some(dealt), Some(opened)) => {
                let ([m0, m1, m2], [n0, n1, n2]) = (ctx.mask_address(), dealt.address());
                let (out, msg, first) = (ctx.rec.words(n)?, ctx.packed(n, k)?, ctx.first());
                let mut used = vec![("keys", &keys), ("delta", w.opened()), ("lam", &w.lam), ("bits", opened)];
                used.extend(dealt.packed("dealt"));
                used.extend([("out", &out), ("msg", &msg)]);
                ctx.rec.run(
                    &self.kernel(dealt.kernel("maximum").bits(k)),
                    args![n: n, half: self.half, width: self.width, first: first, m0: m0, m1: m1, m2: m2, n0: n0,
                        n1: n1, n2: n2],
                    &used,
                    n.div_ceil(16),
                )?;
                (out, Some(msg))
            }
            _ => (ctx.mask(n, k)?, None),
        };
        Sealed::ready(Wire { n, k, f: w.f, delta: None, lam, fresh: true }, msg).open(ctx)
    }
}

/// Maximum of each row of a `[rows, cols]` wire, as a wire of the same ring: 24 or 32 bits.
///
/// * Needs differences inside the window. Error: the result is a value of the row within `2^(lo-1)` units per level of its
///   maximum; softmax does not mind, it is invariant under shifts.
/// * Cost: see [`maximum_cost`]; 3 rounds for each of `ceil(log2 cols)` levels.
pub fn maximum(ctx: &mut Ctx, x: &Wire, rows: usize, cols: usize, window: Window) -> Result<Wire, Error> {
    assert!([24, 32].contains(&x.k), "a tournament in a ring of 24 or 32 bits, got {}", x.k);
    Level::of(rows, cols).try_fold(x.clone(), |w, level| level.winners(ctx, &w, window))
}

/// Cost of [`maximum`]: for each pair that of a comparison, `k` bits each way for its winner, and `2 k` bits offline. A level
/// of `w` columns has `w / 2` pairs a row, rounded up.
pub fn maximum_cost(rows: usize, cols: usize, k: u32, window: Window) -> Cost {
    Level::of(rows, cols).fold(Cost::default(), |total, level| {
        let n = level.pairs();
        let dealt = Cost { offline: packed_bytes(2 * row(n), k), ..Cost::default() };
        total + compare_cost(n, 1, window) + dealt + open_cost(&[(n, k)])
    })
}
