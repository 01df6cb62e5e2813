//! Row maximum by a tournament: `max(a, b) = b + relu(a - b)`. Source: protocol.md section 7.

use super::compare::compare_cost;
use super::local::{Map, combine_wires};
use super::open::open_cost;
use super::piecewise::piecewise_cost;
use super::{Cost, Ctx, Error, Segment, Share, Table, Window, Wire, compare, open, piecewise};
use crate::gpu::Buf;
use crate::kernels::{self, Element};

fn relu_table() -> Result<Table, Error> {
    Table::new(&[Segment { above: Some(0), below: None, coefficients: vec![0.0, 1.0] }], 0, 0)
}

/// Columns `start..start + cols` of a `[rows, width]` wire.
fn columns(ctx: &mut Ctx, w: &Wire, rows: usize, width: usize, start: usize, cols: usize) -> Result<Wire, Error> {
    let mut take = |x: &Buf| -> Result<Buf, Error> {
        let out = ctx.rec.words(rows * cols)?;
        kernels::slice(&mut ctx.rec, Element::Ring, x, rows, width, (start, cols), &out)?;
        Ok(out)
    };
    let lam = take(&w.lam)?;
    let delta = w.delta.as_ref().map(&mut take).transpose()?;
    Ok(Wire { n: rows * cols, delta, lam, fresh: w.fresh, ..*w })
}

/// Share of wire `b`, from its delta and mask.
fn share(ctx: &mut Ctx, b: &Wire) -> Result<Share, Error> {
    let buf = match &b.delta {
        Some(d) => {
            let out = ctx.rec.words(b.n)?;
            let first = u64::from(ctx.first());
            super::local::affine(&mut ctx.rec, b.n, (d, first), Some((&b.lam, u64::MAX, Map::SAME)), 0, &out)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: b.n, k: b.k, f: b.f, buf })
}

/// Maximum of each row of a `[rows, cols]` wire, as a wire of the same ring.
///
/// * Needs differences inside the window. Error: the result is a value of the row within `2^(lo-1)` units per level of its
///   maximum; softmax does not mind, it is invariant under shifts.
/// * Cost: see [`maximum_cost`]; 3 rounds for each of `ceil(log2 cols)` levels.
pub fn maximum(ctx: &mut Ctx, x: &Wire, rows: usize, cols: usize, window: Window) -> Result<Wire, Error> {
    let relu = relu_table()?;
    let (mut w, mut width) = (x.clone(), cols);
    while width > 1 {
        let half = width / 2;
        let a = columns(ctx, &w, rows, width, 0, half)?;
        let b = columns(ctx, &w, rows, width, half, half)?;
        let difference = combine_wires(ctx, &a, Some((&b, -1, Map::SAME)), 0)?;
        let bits = compare(ctx, &difference, &[0], window)?;
        let gain = piecewise(ctx, &difference, Some(&bits), &relu, w.k)?;
        let base = share(ctx, &b)?;
        let larger = super::add(ctx, &base, 1, &gain, 1, Map::SAME)?;
        let opened = open(ctx, &larger, 0, w.k)?;
        w = if width % 2 == 1 {
            let odd = columns(ctx, &w, rows, width, 2 * half, 1)?;
            join(ctx, &opened, &odd, rows, half)?
        } else {
            opened
        };
        width = half + width % 2;
    }
    Ok(w)
}

/// `[rows, cols]` with one more column.
fn join(ctx: &mut Ctx, a: &Wire, b: &Wire, rows: usize, cols: usize) -> Result<Wire, Error> {
    let n = rows * (cols + 1);
    let mut put = |x: &Buf, y: &Buf| -> Result<Buf, Error> {
        let out = ctx.rec.words(n)?;
        kernels::concat(&mut ctx.rec, Element::Ring, rows, (x, cols), (y, 1), &out)?;
        Ok(out)
    };
    let lam = put(&a.lam, &b.lam)?;
    let delta = match (&a.delta, &b.delta) {
        (Some(x), Some(y)) => Some(put(x, y)?),
        _ => None,
    };
    Ok(Wire { n, delta, lam, fresh: false, ..*a })
}

/// Cost of [`maximum`].
pub fn maximum_cost(rows: usize, cols: usize, k: u32, window: Window) -> Result<Cost, Error> {
    let relu = relu_table()?;
    let (mut width, mut total) = (cols, Cost::default());
    while width > 1 {
        let n = rows * (width / 2);
        total = total + compare_cost(n, 1, window) + piecewise_cost(n, &relu, k, k) + open_cost(&[(n, k)]);
        width = width / 2 + width % 2;
    }
    Ok(total)
}
