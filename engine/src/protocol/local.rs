//! What parties compute without talking: sums, public factors, truncation, layout.

use super::{Ctx, Error, Share, Wire};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::{args, bufs};

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

/// Which elements are summed: group `j` starts at `(j / jd) jo + (j mod jd) ji`, its r-th element lies `(r / rd) ro + r mod rd` further.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// Number of groups.
    pub count: usize,
    /// Elements of a group.
    pub len: usize,
    jd: usize,
    jo: usize,
    ji: usize,
    rd: usize,
    ro: usize,
}

impl Groups {
    /// Rows of `[rows, cols]`.
    pub fn rows(rows: usize, cols: usize) -> Self {
        Self { count: rows, len: cols, jd: 1, jo: cols, ji: 0, rd: cols, ro: cols }
    }

    /// Channel groups of `[n, positions, channels]`, in the order `[n, groups]`.
    pub fn channels(n: usize, positions: usize, channels: usize, groups: usize) -> Self {
        let width = channels / groups;
        Self {
            count: n * groups,
            len: positions * width,
            jd: groups,
            jo: positions * channels,
            ji: width,
            rd: width,
            ro: channels,
        }
    }

    /// Runs a summing kernel in two passes, so that few large groups still fill a device.
    pub(super) fn run(
        &self,
        rec: &mut Recorder,
        kernel: &Kernel,
        x: &Buf,
        lam: Option<&Buf>,
        first: u32,
    ) -> Result<Buf, Error> {
        let parts = (self.len / 64).clamp(1, 64);
        let partial = rec.words(self.count * parts)?;
        let args = args![groups: self.count, parts: parts, len: self.len, jd: self.jd, jo: self.jo, ji: self.ji,
            rd: self.rd, ro: self.ro, first: first];
        match lam {
            Some(lam) => rec.run(kernel, args, bufs![x: x, lam: lam, out: &partial], self.count * parts)?,
            None => rec.run(kernel, args, bufs![x: x, out: &partial], self.count * parts)?,
        }
        if parts == 1 {
            return Ok(partial);
        }
        Groups::rows(self.count, parts).sum_once(rec, &partial)
    }

    fn sum_once(&self, rec: &mut Recorder, x: &Buf) -> Result<Buf, Error> {
        let out = rec.words(self.count)?;
        rec.run(
            &Kernel::new("reduce"),
            args![groups: self.count, parts: 1u32, len: self.len, jd: self.jd, jo: self.jo, ji: self.ji, rd: self.rd,
                ro: self.ro, first: 0u32],
            bufs![x: x, out: &out],
            self.count,
        )?;
        Ok(out)
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
    let eights = n.div_ceil(8);
    match b {
        None => rec.run(&Kernel::new("affine"), args![n: n, ca: a.1, cc: constant], bufs![a: a.0, out: out], eights)?,
        Some((b, cb, Map::SAME)) => rec.run(
            &Kernel::new("affine").with("SAME"),
            args![n: n, ca: a.1, cb: cb, cc: constant],
            bufs![a: a.0, b: b, out: out],
            eights,
        )?,
        Some((b, cb, m)) => rec.run(
            &Kernel::new("affine").with("TWO"),
            args![n: n, od: m.od, om: m.om, id: m.id, im: m.im, ca: a.1, cb: cb, cc: constant],
            bufs![a: a.0, b: b, out: out],
            eights,
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

/// Drops `shift` fraction bits and as many ring bits: local, error within one unit, mean 0, no wrap failure.
pub fn truncate(ctx: &mut Ctx, x: &Share, shift: u32) -> Result<Share, Error> {
    if shift == 0 {
        return Ok(x.clone());
    }
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(x.n)?;
            let add = if ctx.first() == 1 { (1u64 << shift) - 1 } else { 0 };
            ctx.rec.run(
                &Kernel::new("truncate"),
                args![n: x.n, k: x.k, shift: shift, add: add],
                bufs![x: b, out: &out],
                x.n.div_ceil(8),
            )?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: x.n, k: x.k - shift, f: x.f - shift, buf })
}

/// Sums of groups.
pub fn reduce(ctx: &mut Ctx, x: &Share, groups: &Groups) -> Result<Share, Error> {
    let buf = match &x.buf {
        Some(b) => Some(groups.run(&mut ctx.rec, &Kernel::new("reduce"), b, None, 0)?),
        None => None,
    };
    Ok(Share { n: groups.count, buf, ..x.clone() })
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

/// Joins `[rows, a] ++ [rows, b]`.
pub fn concat(ctx: &mut Ctx, a: &Share, ca: usize, b: &Share, cb: usize) -> Result<Share, Error> {
    let n = a.n + b.n;
    let buf = match (&a.buf, &b.buf) {
        (Some(x), Some(y)) => {
            let out = ctx.rec.words(n)?;
            copy(&mut ctx.rec, (x, a.n, ca, 0), (&out, ca + cb, 0), ca)?;
            copy(&mut ctx.rec, (y, b.n, cb, 0), (&out, ca + cb, ca), cb)?;
            Some(out)
        }
        _ => None,
    };
    Ok(Share { n, k: a.k.min(b.k), f: a.f, buf })
}

/// Copies `cols` columns: (source, elements, stride, start) to (target, stride, start).
pub(super) fn copy(
    rec: &mut Recorder,
    from: (&Buf, usize, usize, usize),
    to: (&Buf, usize, usize),
    cols: usize,
) -> Result<(), Error> {
    let (x, n, stride, start) = from;
    let (out, out_stride, out_start) = to;
    rec.run(
        &Kernel::new("copy"),
        args![n: n, cols: cols, stride: stride, start: start, out_stride: out_stride, out_start: out_start],
        bufs![x: x, out: out],
        n,
    )?;
    Ok(())
}

/// Columns `start` to `start + cols` of rows of `stride`.
pub fn slice(ctx: &mut Ctx, x: &Share, stride: usize, start: usize, cols: usize) -> Result<Share, Error> {
    let n = x.n / stride * cols;
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(n)?;
            copy(&mut ctx.rec, (b, n, stride, start), (&out, cols, 0), cols)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n, buf, ..x.clone() })
}

/// The same rows twice in a row: a batch for the conditional and one for the unconditional pass.
pub fn repeat_rows(ctx: &mut Ctx, x: &Share) -> Result<Share, Error> {
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(2 * x.n)?;
            for half in 0..2 {
                copy(&mut ctx.rec, (b, x.n, x.n, 0), (&out, x.n, half * x.n), x.n)?;
            }
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: 2 * x.n, buf, ..x.clone() })
}

/// Nearest-neighbour upsampling of `[n, h, w, c]` by two.
pub fn upsample(ctx: &mut Ctx, x: &Share, h: usize, w: usize, c: usize) -> Result<Share, Error> {
    let n = 4 * x.n;
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(n)?;
            ctx.rec.run(
                &Kernel::new("copy").with("UPSAMPLE"),
                args![n: n, cols: c, stride: c, start: 0u32, out_stride: c, out_start: 0u32, h: 2 * h, w: 2 * w],
                bufs![x: b, out: &out],
                n,
            )?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n, buf, ..x.clone() })
}
