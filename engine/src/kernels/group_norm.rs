//! Group normalisation of channels-last images in `f32`.

use super::lanes;
use super::windows::{Along, Piece, Windows};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs, streams};

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
    // Whole images, or some parts of one.
    let windows = Windows::of(rec.gpu());
    let seen = |p: &Piece| {
        let end = p.batches.end - 1;
        let last = end * positions + (p.rows.end * chunk).min(positions);
        (p.batches.start * positions + p.rows.start * chunk) * channels..last * channels
    };
    let pieces = windows.pieces(Piece { batches: 0..images, rows: 0..parts, tiles: 0..1 }, |piece| {
        let span = seen(piece);
        let along = if piece.batches.len() > 1 { Along::Batches } else { Along::Rows };
        (!windows.fit(x, &span, 4)).then_some((along, span.len() as u64 * 4))
    })?;
    let (kernel, lane) = lanes("group_norm_parts", &[channels / groups]);
    for piece in pieces {
        let (from, base) = windows.cut(x, &seen(&piece), 4);
        rec.run(
            &kernel,
            args![
                images: piece.batches.len(), positions: positions - piece.rows.start * chunk, channels: channels / lane,
                image: positions * channels / lane, groups: groups, parts: piece.rows.len(), chunk: chunk,
                offset: (seen(&piece).start - base) / lane, first: (piece.batches.start * parts + piece.rows.start) * groups,
            ],
            bufs![x: &from, moments: &moments],
            piece.batches.len() * piece.rows.len() * groups,
        )?;
    }
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
    let (n, each) = (images * positions * channels / lane, 4 * lane);
    rec.run_each(
        &kernel,
        args![image: positions * channels / lane, channels: channels / lane],
        streams![x: x => each, mean: &mean => 0, scale: &scale => 0, bias: bias => 0, out: out => each],
        (n, 1),
    )
}
