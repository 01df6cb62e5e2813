//! Convolutions as products that gather their left-hand side from the image.

use std::ops::Range;

use super::matmul::Tiling;
use super::pack_b::{Rows, pack_rows};
use super::windows::{Along, Piece, Windows, relative};
use super::{Element, Format, Mode, Packed, Strided};
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// Extents of a convolution with a square kernel over channels-last images.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvShape {
    /// Images.
    pub n: usize,
    /// Rows of an image.
    pub h: usize,
    /// Columns of an image.
    pub w: usize,
    /// Channels of an image.
    pub c: usize,
    /// Extent of the kernel.
    pub kernel: usize,
    /// Step between output positions.
    pub stride: usize,
    /// Zero rows above and columns left of the image.
    pub pad: usize,
    /// Zero rows below and columns right of the image.
    pub pad_after: usize,
    /// Output channels.
    pub outputs: usize,
}

impl ConvShape {
    fn extent(&self, image: usize) -> usize {
        (image + self.pad + self.pad_after - self.kernel) / self.stride + 1
    }

    /// Rows of an output image.
    pub fn oh(&self) -> usize {
        self.extent(self.h)
    }

    /// Columns of an output image.
    pub fn ow(&self) -> usize {
        self.extent(self.w)
    }

    /// Length of the inner product.
    pub fn k(&self) -> usize {
        self.kernel * self.kernel * self.c
    }

    /// Output positions of all images.
    pub fn positions(&self) -> usize {
        self.n * self.oh() * self.ow()
    }

    /// The elements of the images that these positions see, halo included.
    fn seen(&self, positions: &Range<usize>) -> Range<usize> {
        let line = |position: usize| {
            (position / self.ow() / self.oh() * self.h, position / self.ow() % self.oh() * self.stride)
        };
        let ((first, top), (last, bottom)) = (line(positions.start), line(positions.end - 1));
        let start = (first + top.saturating_sub(self.pad).min(self.h)).min(self.n * self.h - 1);
        let end = last + (bottom + self.kernel).saturating_sub(self.pad).min(self.h);
        start * self.w * self.c..end.max(start + 1) * self.w * self.c
    }
}

/// Packs a kernel of shape `[outputs, c, kernel, kernel]`.
pub fn pack_conv(rec: &mut Recorder, format: impl Into<Format>, w: &Buf, s: &ConvShape) -> Result<Packed, GpuError> {
    pack_conv_with_bias(rec, format, w, s, None)
}

/// As [`pack_conv`]; every convolution with the result also adds `bias` (`outputs` elements) at each position.
pub fn pack_conv_with_bias(
    rec: &mut Recorder,
    format: impl Into<Format>,
    w: &Buf,
    s: &ConvShape,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    let taps = s.kernel * s.kernel;
    let layout = Strided { col_stride: s.c * taps, ..Strided::rows(0) };
    // k counts (ky, kx, channel), the channel fastest.
    pack_rows(rec, format.into(), w, layout, Rows { inner: s.c, outer: 1, step: taps }, s.k(), s.outputs, bias)
}

/// `out[n, oh, ow, outputs]` = convolution of `x[n, h, w, c]` with a kernel from [`pack_conv`], or added or subtracted.
///
/// # Panics
/// If `b` was packed for another shape: a bug in this repository.
pub fn conv2d(
    rec: &mut Recorder,
    e: Element,
    mode: Mode,
    x: &Buf,
    s: &ConvShape,
    b: &Packed,
    out: &Buf,
) -> Result<(), GpuError> {
    assert!(
        b.format.element() == e && b.k == s.k() && b.n == s.outputs && b.batches == 1,
        "conv2d: b is for another shape"
    );
    let (quads, unit) = ((s.c.is_multiple_of(4), s.outputs.is_multiple_of(4)), e.bytes());
    if s.positions() * b.tiles() == 0 {
        return Ok(());
    }
    let windows = Windows::of(rec.gpu());
    let columns = |piece: &Piece| piece.tiles.start * b.width..(piece.tiles.end * b.width).min(b.n);
    let out_span = |piece: &Piece| {
        let columns = columns(piece);
        piece.rows.start * s.outputs + columns.start..(piece.rows.end - 1) * s.outputs + columns.end
    };
    let whole = Piece { batches: 0..1, rows: 0..s.positions(), tiles: 0..b.tiles() };
    let pieces = windows.pieces(whole, |piece| {
        let (from, with, to) = (s.seen(&piece.rows), b.span(piece), out_span(piece));
        let along =
            match (windows.fit(x, &from, unit) && windows.fit(out, &to, unit), windows.fit(&b.buf, &with, b.quad())) {
                (true, true) => return None,
                (false, _) => Along::Rows,
                (true, false) => Along::Tiles,
            };
        Some((along, (from.len().max(to.len()) * unit).max(with.len() * b.quad()) as u64))
    })?;
    for piece in pieces {
        let tiling = Tiling::new(rec, "conv2d", mode, b, piece.rows.len(), quads);
        let (from, a_base) = windows.cut(x, &s.seen(&piece.rows), unit);
        let (with, b_base) = windows.cut(&b.buf, &b.span(&piece), b.quad());
        let (to, out_base) = windows.cut(out, &out_span(&piece), unit);
        let columns = columns(&piece);
        rec.run(
            &tiling.kernel,
            args![
                m: piece.rows.len(), n: columns.len(), tiles_m: tiling.rows, tiles_n: piece.tiles.len(),
                subtract: u32::from(mode == Mode::Sub), first: piece.rows.start, a_offset: relative(0, a_base),
                b_first: relative(piece.tiles.start * b.panel(), b_base), panel: b.panel(),
                out_offset: relative(piece.rows.start * s.outputs + columns.start, out_base),
                out_row: s.outputs, out_col: 1u32, h: s.h, w: s.w, channels: s.c, oh: s.oh(), ow: s.ow(),
                kernel: s.kernel, stride: s.stride, pad: s.pad,
            ],
            bufs![a: &from, b: &with, out: &to],
            tiling.rows * piece.tiles.len(),
        )?;
    }
    Ok(())
}
