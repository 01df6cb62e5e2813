//! Row maximum by a tournament: `max(a, b) = b + relu(a - b)`. Source: protocol.md section 7.
//!
//! A softmax does not mind a maximum that is a little off. So the tournament sees no more of the values than 13 bits of their
//! differences, in a ring of 16: opened values and each party's masks without their lowest bits, which is a wire again whose
//! values are at most one and a half units off.
//!
//! A level pairs the first columns of a row with its last ones; in a row of odd width the middle column is in two pairs.

use super::compare::{TWO, compare_cost, deal_leaves, leaf, row};
use super::dealt::Dealt;
use super::open::{Sealed, lift_cost, open_cost};
use super::{Cost, Ctx, Error, Share, Window, Wire, compare, lift, open, packed_bytes};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::{args, bufs};

/// Ring of the values whose maxima are found.
const RING: u32 = 24;
/// Ring of the tournament, and its window: bits of differences of the coarse values.
pub(super) const COARSE: u32 = 16;
const WINDOW: Window = Window { lo: 1, hi: 14 };
/// With fewer pairs a round counts for more than the bytes of a comparison in one.
const QUICK: usize = 4096;

/// What a level sees: opened values (none at the dealer) and masks, without their lowest `shift` bits.
struct Seen {
    delta: Option<Buf>,
    lam: Buf,
    shift: u32,
}

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
    fn differences(self, rec: &mut Recorder, x: &Buf, shift: u32) -> Result<Buf, Error> {
        let n = self.pairs();
        let out = rec.words(n)?;
        let args = args![n: n, half: self.half, width: self.width, shift: shift];
        rec.run(&self.kernel(Kernel::new("pairs")), args, bufs![x: x, out: &out], n.div_ceil(8))?;
        Ok(out)
    }

    /// The winners, opened.
    fn winners(self, ctx: &mut Ctx, seen: &Seen) -> Result<Wire, Error> {
        let n = self.pairs();
        // A comparison asks the dealer for masks, and parties for what is opened.
        let (lam, delta) = match &seen.delta {
            Some(delta) => (seen.lam.clone(), Some(self.differences(&mut ctx.rec, delta, seen.shift)?)),
            None => (self.differences(&mut ctx.rec, &seen.lam, seen.shift)?, None),
        };
        let difference = Wire { n, k: COARSE, f: 0, delta, lam, fresh: false };
        let (dealt, opened) = if n < QUICK { quick(ctx, &difference)? } else { thorough(ctx, &difference)? };
        let keys = ctx.keys();
        let (lam, msg) = match (&dealt, &opened, &seen.delta) {
            (Some(dealt), Some(opened), Some(delta)) => {
                let ([m0, m1, m2], [n0, n1, n2]) = (ctx.mask_address(), dealt.address());
                let (out, msg, first) = (ctx.rec.words(n)?, ctx.packed(n, COARSE)?, ctx.first());
                let mut used = vec![("keys", &keys), ("delta", delta), ("lam", &seen.lam), ("bits", opened)];
                used.extend(dealt.packed("dealt"));
                used.extend([("out", &out), ("msg", &msg)]);
                ctx.rec.run(
                    &self.kernel(dealt.kernel("maximum")),
                    args![n: n, half: self.half, width: self.width, shift: seen.shift, first: first, m0: m0, m1: m1,
                        m2: m2, n0: n0, n1: n1, n2: n2],
                    &used,
                    n.div_ceil(32),
                )?;
                (out, Some(msg))
            }
            _ => (ctx.mask(n, COARSE)?, None),
        };
        Sealed::ready(Wire { n, k: COARSE, f: 0, delta: None, lam, fresh: true }, msg).open(ctx)
    }
}

/// What the bits of a comparison are to those who multiply them with the difference M: shares of beta M and beta, and opened
/// `c`, the bit masked by beta.
type Masked = (Option<Dealt>, Option<Buf>);

/// A comparison in two rounds, with what is dealt for its bit.
fn thorough(ctx: &mut Ctx, x: &Wire) -> Result<Masked, Error> {
    let (bits, keys, n) = (compare(ctx, x, &[0], WINDOW)?, ctx.keys(), row(x.n));
    let dealt = ctx.deal_packed(2 * n, COARSE, |ctx, [n0, n1, n2], msg| {
        let used = bufs![keys: &keys, lam: &x.lam, bits: &bits.masks, msg: msg];
        Ok(ctx.rec.run(&Kernel::new("maximum_deal"), args![n: n, n0: n0, n1: n1, n2: n2], used, n.div_ceil(16))?)
    })?;
    Ok((dealt, bits.opened))
}

/// A comparison in one round: two large digits leave three masked bits, and whatever these are, the products are dealt.
fn quick(ctx: &mut Ctx, x: &Wire) -> Result<Masked, Error> {
    let (n, keys, leaves) = (row(x.n), ctx.keys(), deal_leaves(ctx, x, WINDOW, TWO)?);
    let masks @ [m0, m1, m2] = ctx.mask_address();
    let dealt = ctx.deal_packed(8 * n, COARSE, |ctx, [n0, n1, n2], msg| {
        let args = args![n: n, sign: WINDOW.hi - 1, m0: m0, m1: m1, m2: m2, n0: n0, n1: n1, n2: n2];
        let used = bufs![keys: &keys, lam: &x.lam, msg: msg];
        Ok(ctx.rec.run(&Kernel::new("pick_deal"), args, used, n.div_ceil(32))?)
    })?;
    let (Some(leaves), Some(dealt)) = (leaves, dealt) else { return Ok((None, None)) };
    let (mine, signs) = leaf(ctx, x, &[0], WINDOW, TWO, &leaves, masks)?;
    let theirs = ctx.exchange(&[(&mine, n as u64)])?.remove(0);
    let (bits, words, [n0, n1, n2]) = (ctx.rec.alloc(n.div_ceil(32) * 4)?, ctx.packed(2 * n, COARSE)?, dealt.address());
    let mut used = bufs![mine: &mine, theirs: &theirs, signs: &signs, bits: &bits, words: &words].to_vec();
    used.push(dealt.packed("dealt").unwrap_or(("keys", &keys)));
    ctx.rec.run(&dealt.kernel("pick"), args![n: n, n0: n0, n1: n1, n2: n2], &used, n.div_ceil(32))?;
    Ok((Some(Dealt::Packed(words)), Some(bits)))
}

/// A tensor's opened values and the maxima of its rows, as wires of one ring.
pub struct Maxima {
    /// The values, in a ring of 24 bits.
    pub x: Wire,
    /// A maximum for each row, in units of `2^shift` of the values'.
    pub top: Wire,
    /// See `top`.
    pub shift: u32,
    /// What `top` is too large by on average, in units of the values.
    pub above: i64,
}

/// Opens a `[rows, cols]` share in a ring of 24 bits, `cut` fraction bits less, and finds each row's maximum.
///
/// * Needs values of a row within `2^13` units of `2^shift` of each other, and below `2^14` of them in size.
/// * Error: the maximum is that of values rounded by -1 to 2 units of `2^shift`, 0.5 on average, or one that lies a unit
///   below it, for each level.
/// * Cost: see [`maximum_cost`]; 3 rounds for each of `ceil(log2 cols)` levels, 2 for those of fewer than 4096 pairs, and 2.
pub fn maximum(ctx: &mut Ctx, x: &Share, cut: u32, (rows, cols): (usize, usize), shift: u32) -> Result<Maxima, Error> {
    let n = x.n;
    let address = ctx.mask_address();
    let (lam, msg) = if ctx.is_party() {
        let (lam, msg) = ctx.seal_at(address, (x.words(), n, x.k), cut, RING, false)?;
        (lam, Some(msg))
    } else {
        (ctx.mask_at(address, n, RING)?, None)
    };
    let wire = Wire { n, k: RING, f: x.f - cut, delta: None, lam, fresh: true };
    let x = Sealed::ready(wire, msg).open(ctx)?;
    if cols <= 1 {
        let top = Wire { fresh: false, ..x.clone() };
        return Ok(Maxima { x, top, shift: 0, above: 0 });
    }
    // The dealer shifts each party's mask, as they do.
    let mut seen = match &x.delta {
        Some(_) => Seen { delta: x.delta.clone(), lam: x.lam.clone(), shift },
        None => Seen { delta: None, lam: ctx.mask_without(address, (n, RING), shift)?, shift: 0 },
    };
    let mut winners = None;
    for level in Level::of(rows, cols) {
        let wire = level.winners(ctx, &seen)?;
        seen = Seen { delta: wire.delta.clone(), lam: wire.lam.clone(), shift: 0 };
        winners = Some(wire);
    }
    let top = lift(ctx, &winners.expect("a level for two columns or more"), RING)?;
    let top = open(ctx, &top, 0, RING)?;
    Ok(Maxima { x, top, shift, above: (1 << shift) / 2 })
}

/// Cost of [`maximum`]: the opening of the values; for each pair a comparison's, 2 bytes each way for its winner, and 4
/// bytes offline, or in levels of fewer than 4096 pairs 3 bytes each way and 48 offline; for each row a lift from 16 bits and an opening. A level of `w` columns has `w / 2` pairs a row, rounded up.
pub fn maximum_cost(rows: usize, cols: usize) -> Cost {
    let opened = open_cost(&[(rows * cols, RING)]);
    if cols <= 1 {
        return opened;
    }
    let last = lift_cost(rows, COARSE, RING) + open_cost(&[(rows, RING)]);
    Level::of(rows, cols).fold(opened + last, |total, level| {
        let (n, rows) = (level.pairs(), row(level.pairs()));
        let dealt = |offline| Cost { offline, ..Cost::default() };
        let bits = match n {
            ..QUICK => open_cost(&[(rows, 8)]) + dealt(packed_bytes(4 * rows, 64) + packed_bytes(8 * rows, COARSE)),
            _ => compare_cost(n, 1, WINDOW) + dealt(packed_bytes(2 * rows, COARSE)),
        };
        total + bits + open_cost(&[(n, COARSE)])
    })
}
