//! Products of `f32` with one constant.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// `out = factor * x` for `n` elements.
pub fn scale(rec: &mut Recorder, factor: f32, x: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    rec.run(&Kernel::new("scale"), args![n: n, factor: factor], bufs![x: x, out: out], n)
}
