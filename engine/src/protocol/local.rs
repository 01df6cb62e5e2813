//! What parties compute without talking: sums, public factors, truncation.

use super::{Ctx, Error, Share, Wire};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::{args, streams};

/// Which element of a smaller tensor goes with element `i` of a larger one: `(i / od) om + (i / id) mod im`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Elements of the larger tensor per outer block.
    pub od: u32,
    /// Elements of the smaller tensor per outer block.
    pub om: u32,
    /// Elements of the larger tensor per inner step.
    pub id: u32,
    /// Inner extent.
    pub im: u32,
}

impl Map {
    /// Tensors of one shape.
    pub const SAME: Map = Map { od: u32::MAX, om: 0, id: 1, im: u32::MAX };

    /// `[rows]` against `[rows, cols]`.
    pub fn per_row(cols: usize) -> Map {
        Map { od: cols as u32, om: 1, id: 1, im: 1 }
    }

    /// `[cols]` against `[rows, cols]`.
    pub fn per_column(cols: usize) -> Map {
        Map { od: u32::MAX, om: 0, id: 1, im: cols as u32 }
    }

    /// `[n, groups]` against `[n, positions, channels]`.
    pub fn per_group(positions: usize, channels: usize, groups: usize) -> Map {
        Map { od: (positions * channels) as u32, om: groups as u32, id: (channels / groups) as u32, im: groups as u32 }
    }
}

/// `out = ca a + cb b[map] + cc` on ring words.
pub(super) fn affine(
    rec: &mut Recorder,
    n: usize,
    a: (&Buf, u64),
    b: Option<(&Buf, u64, Map)>,
    constant: u64,
    out: &Buf,
) -> Result<(), Error> {
    let (kernel, (a, ca)) = (Kernel::new("affine"), a);
    match b {
        None => rec.run_each(&kernel, args![ca: ca, cc: constant], streams![a: a => 64, out: out => 64], (n, 8))?,
        Some((b, cb, Map::SAME)) => rec.run_each(
            &kernel.with("SAME"),
            args![ca: ca, cb: cb, cc: constant],
            streams![a: a => 64, b: b => 64, out: out => 64],
            (n, 8),
        )?,
        Some((b, cb, m)) => rec.run_each(
            &kernel.with("TWO"),
            args![od: m.od, om: m.om, id: m.id, im: m.im, ca: ca, cb: cb, cc: constant],
            streams![a: a => 64, b: b => 0, out: out => 64],
            (n, 8),
        )?,
    }
    Ok(())
}

/// `ca a + cb b`, `b` broadcast, in the smaller of the two rings.
pub fn add(ctx: &mut Ctx, a: &Share, ca: u64, b: &Share, cb: u64, map: Map) -> Result<Share, Error> {
    let buf = match (&a.buf, &b.buf) {
        (Some(x), Some(y)) => {
            let out = ctx.rec.words(a.n)?;
            affine(&mut ctx.rec, a.n, (x, ca), Some((y, cb, map)), 0, &out)?;
            Some(out)
        }
        _ => None,
    };
    Ok(Share { n: a.n, k: a.k.min(b.k), f: a.f, buf })
}

/// Adds values that this party alone knows (already in fixed point), or nothing at the other roles.
pub fn add_public(ctx: &mut Ctx, a: &Share, known: Option<&Buf>, map: Map) -> Result<Share, Error> {
    let (Some(x), Some(v)) = (&a.buf, known) else { return Ok(a.clone()) };
    let out = ctx.rec.words(a.n)?;
    affine(&mut ctx.rec, a.n, (x, 1), Some((v, 1, map)), 0, &out)?;
    Ok(Share { buf: Some(out), ..a.clone() })
}

/// `c x + d`, both public integers in units of the result, which has `f` fraction bits.
pub fn scale(ctx: &mut Ctx, x: &Share, c: i64, d: i64, f: u32) -> Result<Share, Error> {
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(x.n)?;
            let constant = if ctx.first() == 1 { d as u64 } else { 0 };
            affine(&mut ctx.rec, x.n, (b, c as u64), None, constant, &out)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { f, buf, ..x.clone() })
}

/// What a party adds to its share before it drops `shift` bits of it.
pub(super) fn rounding(ctx: &Ctx, shift: u32) -> u64 {
    if ctx.first() == 1 { (1u64 << shift) - 1 } else { 0 }
}

/// Drops `shift` fraction bits and as many ring bits: local, error within one unit, mean 0, no wrap failure.
pub fn truncate(ctx: &mut Ctx, x: &Share, shift: u32) -> Result<Share, Error> {
    if shift == 0 {
        return Ok(x.clone());
    }
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(x.n)?;
            let add = rounding(ctx, shift);
            let streams = streams![x: b => 64, out: &out => 64];
            ctx.rec.run_each(&Kernel::new("truncate"), args![k: x.k, shift: shift, add: add], streams, (x.n, 8))?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: x.n, k: x.k - shift, f: x.f - shift, buf })
}

/// `x + c y[map] + d` on wires: linear, so it stays masked. Not fresh afterwards.
pub(super) fn combine_wires(ctx: &mut Ctx, x: &Wire, y: Option<(&Wire, i64, Map)>, d: i64) -> Result<Wire, Error> {
    let k = y.as_ref().map_or(x.k, |(y, ..)| x.k.min(y.k));
    let lam = match y {
        None => x.lam.clone(),
        Some((y, c, map)) => {
            let out = ctx.rec.words(x.n)?;
            affine(&mut ctx.rec, x.n, (&x.lam, 1), Some((&y.lam, c as u64, map)), 0, &out)?;
            out
        }
    };
    let delta = match (&x.delta, y) {
        (None, _) => None,
        (Some(dx), y) => {
            let out = ctx.rec.words(x.n)?;
            let b = y.map(|(y, c, map)| (y.opened(), c as u64, map));
            affine(&mut ctx.rec, x.n, (dx, 1), b, d as u64, &out)?;
            Some(out)
        }
    };
    Ok(Wire { n: x.n, k, f: x.f, delta, lam, fresh: false })
}
