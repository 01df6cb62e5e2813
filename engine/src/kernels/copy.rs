//! Moving elements between layouts: joining and taking channels, nearest-neighbour upsampling.

use super::{Element, Format};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// The kernel, and how many elements a thread of it moves: 16 bytes where all these extents allow it.
fn copier(e: Element, extents: &[usize]) -> (Kernel, usize) {
    let lane = 16 / e.bytes();
    if extents.iter().all(|n| n.is_multiple_of(lane)) {
        return (Kernel::new("copy").with("WIDE"), lane);
    }
    (Format::from(e).kernel("copy"), 1)
}

/// `[rows, ca] ++ [rows, cb] -> [rows, ca + cb]`.
pub fn concat(
    rec: &mut Recorder,
    e: Element,
    rows: usize,
    (a, ca): (&Buf, usize),
    (b, cb): (&Buf, usize),
    out: &Buf,
) -> Result<(), GpuError> {
    let (kernel, lane) = copier(e, &[ca, cb]);
    let (ca, cb) = (ca / lane, cb / lane);
    for (x, cols, start) in [(a, ca, 0), (b, cb, ca)] {
        rec.run(
            &kernel,
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
    let (kernel, lane) = copier(e, &[stride, start, cols]);
    let (stride, start, cols) = (stride / lane, start / lane, cols / lane);
    rec.run(
        &kernel,
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
    let (kernel, lane) = copier(e, &[c]);
    let c = c / lane;
    let total = 4 * n * h * w * c;
    rec.run(
        &kernel.with("UPSAMPLE"),
        args![n: total, cols: c, stride: c, start: 0u32, out_stride: c, out_start: 0u32, h: 2 * h, w: 2 * w],
        bufs![x: image, out: out],
        total,
    )
}
