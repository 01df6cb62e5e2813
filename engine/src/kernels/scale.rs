//! Products of `f32` with one constant.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, streams};

/// `out = factor * x` for `n` elements.
pub fn scale(rec: &mut Recorder, factor: f32, x: &Buf, out: &Buf, n: usize) -> Result<(), GpuError> {
    let (kernel, lane) = lanes("scale", &[n]);
    let streams = streams![x: x => 4 * lane, out: out => 4 * lane];
    rec.run_each(&kernel, args![factor: factor], streams, (n / lane, 1))
}
