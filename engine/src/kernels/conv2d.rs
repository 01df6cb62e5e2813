//! Convolutions as products that gather their left-hand side from the image.

use super::matmul::Tiling;
use super::pack_b::{Rows, pack_rows};
use super::{Element, Mode, Packed, Strided};
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
}

/// Packs a kernel of shape `[outputs, c, kernel, kernel]`.
pub fn pack_conv(rec: &mut Recorder, e: Element, w: &Buf, s: &ConvShape) -> Result<Packed, GpuError> {
    pack_conv_with_bias(rec, e, w, s, None)
}

/// As [`pack_conv`]; every convolution with the result also adds `bias` (`outputs` elements) at each position.
pub fn pack_conv_with_bias(
    rec: &mut Recorder,
    e: Element,
    w: &Buf,
    s: &ConvShape,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    let taps = s.kernel * s.kernel;
    let layout = Strided { col_stride: s.c * taps, ..Strided::rows(0) };
    // k counts (ky, kx, channel), the channel fastest.
    pack_rows(rec, e, w, layout, Rows { inner: s.c, outer: 1, step: taps }, s.k(), s.outputs, bias)
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
    assert!(b.element == e && b.k == s.k() && b.n == s.outputs && b.batches == 1, "conv2d: b is for another shape");
    let quads = (s.c.is_multiple_of(4), s.outputs.is_multiple_of(4));
    let tiling = Tiling::new(rec, "conv2d", mode, b, s.positions(), quads);
    let (tiles_m, tiles_n) = (tiling.rows, b.tiles());
    if tiles_m * tiles_n == 0 {
        return Ok(());
    }
    rec.run(
        &tiling.kernel,
        args![
            m: s.positions(), n: s.outputs, tiles_m: tiles_m, tiles_n: tiles_n, subtract: u32::from(mode == Mode::Sub),
            panel: b.panel(), out_row: s.outputs, out_col: 1u32, h: s.h, w: s.w, channels: s.c, oh: s.oh(), ow: s.ow(),
            kernel: s.kernel, stride: s.stride, pad: s.pad,
        ],
        bufs![a: x, b: &b.buf, out: out],
        tiles_m * tiles_n,
    )
}
