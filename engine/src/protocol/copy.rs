//! Layout: joining and taking columns, repeating, upsampling. Local.

use super::{Ctx, Error, Share};
use crate::gpu::{Buf, Recorder};
use crate::kernels::{self, Columns, Element};

/// A share of `n` words that a party computes from its own.
fn moved(
    ctx: &mut Ctx,
    x: &Share,
    n: usize,
    copy: impl FnOnce(&mut Recorder, &Buf, &Buf) -> Result<(), Error>,
) -> Result<Share, Error> {
    let buf = match &x.buf {
        Some(b) => {
            let out = ctx.rec.words(n)?;
            copy(&mut ctx.rec, b, &out)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n, buf, ..x.clone() })
}

/// Joins `[rows, a] ++ [rows, b]`.
pub fn concat(ctx: &mut Ctx, a: &Share, ca: usize, b: &Share, cb: usize) -> Result<Share, Error> {
    let joined = moved(ctx, a, a.n + b.n, |rec, x, out| {
        Ok(kernels::concat(rec, Element::Ring, a.n / ca, (x, ca), (b.words(), cb), out)?)
    })?;
    Ok(Share { k: a.k.min(b.k), ..joined })
}

/// Columns `start` to `start + cols` of rows of `stride`.
pub fn slice(ctx: &mut Ctx, x: &Share, stride: usize, start: usize, cols: usize) -> Result<Share, Error> {
    let rows = x.n / stride;
    moved(ctx, x, rows * cols, |rec, b, out| {
        Ok(kernels::slice(rec, Element::Ring, b, rows, stride, (start, cols), out)?)
    })
}

/// The same rows twice in a row: a batch for the conditional and one for the unconditional pass.
pub fn repeat_rows(ctx: &mut Ctx, x: &Share) -> Result<Share, Error> {
    moved(ctx, x, 2 * x.n, |rec, b, out| {
        for half in 0..2 {
            let from = Columns { buf: b, stride: x.n, start: 0 };
            let to = Columns { buf: out, stride: x.n, start: half * x.n };
            kernels::columns(rec, Element::Ring, (1, x.n), from, to)?;
        }
        Ok(())
    })
}

/// Nearest-neighbour upsampling of `[n, h, w, c]` by two.
pub fn upsample(ctx: &mut Ctx, x: &Share, h: usize, w: usize, c: usize) -> Result<Share, Error> {
    let n = x.n / (h * w * c);
    moved(ctx, x, 4 * x.n, |rec, b, out| Ok(kernels::upsample(rec, Element::Ring, b, [n, h, w, c], out)?))
}
