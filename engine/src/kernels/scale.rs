//! Products of `f32` with one constant.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// `out = factor * x` for `n` elements.
pub fn scale(rec: &mut Recorder, factor: f32, x: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    let (kernel, lane) = lanes("scale", &[n]);
    rec.run(&kernel, args![n: n / lane, factor: factor], bufs![x: x, out: out], n / lane)
}
