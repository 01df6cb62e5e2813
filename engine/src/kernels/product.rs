//! Elementwise products of `f32`.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// `out = a * b` for `n` elements.
pub fn product(rec: &mut Recorder, a: &Buf, b: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    rec.run(&Kernel::new("product"), args![n: n], bufs![a: a, b: b, out: out], n)
}
