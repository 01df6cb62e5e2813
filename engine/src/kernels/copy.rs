//! Moving elements between layouts: joining and taking channels, nearest-neighbour upsampling.

use super::Element;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// `[rows, ca] ++ [rows, cb] -> [rows, ca + cb]`.
pub fn concat(
    rec: &mut Recorder,
    e: Element,
    rows: usize,
    (a, ca): (&Buf, usize),
    (b, cb): (&Buf, usize),
    out: &Buf,
) -> Result<(), GpuError> {
    for (x, cols, start) in [(a, ca, 0), (b, cb, ca)] {
        rec.run(
            &e.kernel("copy"),
            args![n: rows * cols, cols: cols, stride: cols, start: 0u32, out_stride: ca + cb, out_start: start],
            bufs![x: x, out: out],
            rows * cols,
        )?;
    }
    Ok(())
}

/// `out[row] = x[row, start..start + cols]` for rows of `stride`.
pub fn slice(
    rec: &mut Recorder,
    e: Element,
    x: &Buf,
    rows: usize,
    stride: usize,
    (start, cols): (usize, usize),
    out: &Buf,
) -> Result<(), GpuError> {
    rec.run(
        &e.kernel("copy"),
        args![n: rows * cols, cols: cols, stride: stride, start: start, out_stride: cols, out_start: 0u32],
        bufs![x: x, out: out],
        rows * cols,
    )
}

/// `out[n, y, x, c] = image[n, y / 2, x / 2, c]` for images of `h` x `w` pixels.
pub fn upsample(
    rec: &mut Recorder,
    e: Element,
    image: &Buf,
    [n, h, w, c]: [usize; 4],
    out: &Buf,
) -> Result<(), GpuError> {
    let total = 4 * n * h * w * c;
    rec.run(
        &e.kernel("copy").with("UPSAMPLE"),
        args![n: total, cols: c, stride: c, start: 0u32, out_stride: c, out_start: 0u32, h: 2 * h, w: 2 * w],
        bufs![x: image, out: out],
        total,
    )
}
