//! Elementwise products of `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, streams};

/// `out = a * b` for `n` elements.
pub fn product(rec: &mut Recorder, a: &Buf, b: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    let (kernel, lane) = lanes("product", &[n]);
    let each = 4 * lane;
    rec.run_each(&kernel, args![], streams![a: a => each, b: b => each, out: out => each], (n / lane, 1))
}
