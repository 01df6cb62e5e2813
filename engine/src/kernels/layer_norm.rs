//! Layer normalisation of rows in `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
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
    let (kernel, lane) = lanes("layer_norm", &[cols]);
    rec.run(
        &kernel,
        args![rows: rows, cols: cols / lane, eps: eps],
        bufs![x: x, weight: weight, bias: bias, out: out],
        rows,
    )
}
