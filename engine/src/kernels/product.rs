//! Elementwise products of `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// `out = a * b` for `n` elements.
pub fn product(rec: &mut Recorder, a: &Buf, b: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    let (kernel, lane) = lanes("product", &[n]);
    rec.run(&kernel, args![n: n / lane], bufs![a: a, b: b, out: out], n / lane)
}
