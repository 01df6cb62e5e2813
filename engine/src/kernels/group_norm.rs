//! Group normalisation of channels-last images in `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// Elements a thread sums before partial results are combined.
const PART: usize = 128;

/// Extents of a group normalisation.
#[derive(Clone, Copy, Debug)]
pub struct GroupShape {
    /// Images.
    pub images: usize,
    /// Positions of an image.
    pub positions: usize,
    /// Channels.
    pub channels: usize,
    /// Groups of channels; divides `channels`.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
}

/// `out = (x - mean) / sqrt(variance + eps) * weight + bias` over each group, variance biased. Moments are summed per
/// part of an image and combined, so that large images lose no precision and small adapters find work for all threads.
pub fn group_norm(
    rec: &mut Recorder,
    s: &GroupShape,
    x: &Buf,
    weight: &Buf,
    bias: &Buf,
    out: &Buf,
) -> Result<(), GpuError> {
    let GroupShape { images, positions, channels, groups, eps } = *s;
    let chunk = (PART * groups).div_ceil(channels).min(positions);
    let parts = positions.div_ceil(chunk);
    let moments = rec.alloc(images * parts * groups * 8)?;
    rec.run(
        &Kernel::new("group_norm_parts"),
        args![images: images, positions: positions, channels: channels, groups: groups, parts: parts, chunk: chunk],
        bufs![x: x, moments: &moments],
        images * parts * groups,
    )?;
    let (mean, scale) = (rec.alloc(images * channels * 4)?, rec.alloc(images * channels * 4)?);
    rec.run(
        &Kernel::new("group_norm_scale"),
        args![
            images: images, positions: positions, channels: channels, groups: groups, parts: parts, chunk: chunk,
            eps: eps,
        ],
        bufs![moments: &moments, weight: weight, mean: &mean, scale: &scale],
        images * channels,
    )?;
    let (kernel, lane) = lanes("group_norm", &[channels]);
    let n = images * positions * channels / lane;
    rec.run(
        &kernel,
        args![n: n, image: positions * channels / lane, channels: channels / lane],
        bufs![x: x, mean: &mean, scale: &scale, bias: bias, out: out],
        n,
    )
}
