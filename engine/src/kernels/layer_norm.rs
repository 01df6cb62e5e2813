//! Layer normalisation of rows in `f32`.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// `out = (x - mean) / sqrt(variance + eps) * weight + bias` over each of `rows` rows of `cols`, variance biased.
pub fn layer_norm(
    rec: &mut Recorder,
    (rows, cols): (usize, usize),
    eps: f32,
    x: &Buf,
    weight: &Buf,
    bias: &Buf,
    out: &Buf,
) -> Result<(), GpuError> {
    rec.run(
        &Kernel::new("layer_norm"),
        args![rows: rows, cols: cols, eps: eps],
        bufs![x: x, weight: weight, bias: bias, out: out],
        rows,
    )
}
