//! Elementwise non-linearities on `f32`, and functions given by polynomials on intervals.

use super::lanes;
use crate::approx::{Piecewise, Segment};
use crate::gpu::{Buf, GpuError, Recorder};
use crate::graph::ops::Function;
use crate::{args, streams};

/// A [`Piecewise`] function on the device: borders, then one polynomial per interval.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) buf: Buf,
    pub(super) borders: usize,
    pub(super) width: usize,
}

impl Table {
    /// Uploads a function.
    pub fn new(rec: &Recorder, f: &Piecewise) -> Result<Self, GpuError> {
        let (data, width) = table(f);
        Ok(Self { buf: rec.upload_slice(&data)?, borders: f.thresholds.len(), width })
    }
}

/// The layout kernels read: borders, then polynomials of `width` coefficients with ascending powers.
pub fn table(f: &Piecewise) -> (Vec<f32>, usize) {
    let polynomials: Vec<Vec<f64>> = (f.segments.iter())
        .map(|s| match s {
            Segment::Zero => vec![0.0],
            Segment::Identity => vec![0.0, 1.0],
            Segment::Poly(c) => c.clone(),
        })
        .collect();
    let width = polynomials.iter().map(Vec::len).max().unwrap_or(1);
    let mut data: Vec<f32> = f.thresholds.iter().map(|t| *t as f32).collect();
    for p in polynomials {
        data.extend((0..width).map(|i| p.get(i).copied().unwrap_or(0.0) as f32));
    }
    (data, width)
}

/// Which function an activation computes.
#[derive(Clone, Copy, Debug)]
pub enum Curve<'a> {
    /// The function itself, to a few units in the last place.
    Exact(Function),
    /// A stand-in.
    Table(&'a Table),
}

/// `out[i] = f(x[i])` for `n` elements.
pub fn activation(rec: &mut Recorder, f: Curve<'_>, x: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    let code = match f {
        Curve::Exact(Function::Relu) => {
            let (kernel, lane) = lanes("relu", &[n]);
            return rec.run_each(&kernel, args![], streams![x: x => 4 * lane, out: out => 4 * lane], (n / lane, 1));
        }
        Curve::Table(t) => {
            let (kernel, lane) = lanes("table", &[n]);
            let streams = streams![x: x => 4 * lane, table: &t.buf => 0, out: out => 4 * lane];
            return rec.run_each(&kernel, args![borders: t.borders, width: t.width], streams, (n / lane, 1));
        }
        Curve::Exact(Function::Silu) => 0u32,
        Curve::Exact(Function::QuickGelu) => 1,
        Curve::Exact(Function::Gelu) => 2,
    };
    let (kernel, lane) = lanes("activation", &[n]);
    rec.run_each(&kernel, args![f: code], streams![x: x => 4 * lane, out: out => 4 * lane], (n / lane, 1))
}
