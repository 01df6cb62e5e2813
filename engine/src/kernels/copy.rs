//! Moving elements between layouts: joining and taking columns, nearest-neighbour upsampling. Tensors may be larger than
//! what a kernel may see of a buffer.

use std::ops::Range;

use super::windows::{Along, Piece, Windows, relative};
use super::{Element, Format};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs, streams};

/// Some columns of rows in memory.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The rows.
    pub buf: &'a Buf,
    /// Elements from one row to the next.
    pub stride: usize,
    /// First column.
    pub start: usize,
}

/// The kernel, and how many elements a thread of it moves: 16 bytes where all these extents allow it.
fn copier(e: Element, extents: &[usize]) -> (Kernel, usize) {
    let lane = 16 / e.bytes();
    if extents.iter().all(|n| n.is_multiple_of(lane)) {
        return (Kernel::new("copy").with("WIDE"), lane);
    }
    (Format::from(e).kernel("copy"), 1)
}

/// A buffer, and the elements of it that belong to a piece.
type Span<'a> = (&'a Buf, &'a dyn Fn(&Piece) -> Range<usize>);

/// Ranges of rows of which a kernel may see `unit` times these spans, in elements.
fn ranges(windows: &Windows, rows: usize, unit: usize, spans: &[Span<'_>]) -> Result<Vec<Piece>, GpuError> {
    windows.pieces(Piece { batches: 0..1, rows: 0..rows, tiles: 0..1 }, |piece| {
        let misfit = spans.iter().map(|(buf, span)| (buf, span(piece))).find(|(buf, s)| !windows.fit(buf, s, unit));
        misfit.map(|(_, span)| (Along::Rows, (span.len() * unit) as u64))
    })
}

/// `to[row][start + c] = from[row][start + c]` for `c < cols` of each of `rows` rows.
pub fn columns(
    rec: &mut Recorder,
    e: Element,
    (rows, cols): (usize, usize),
    from: Columns<'_>,
    to: Columns<'_>,
) -> Result<(), GpuError> {
    if rows * cols == 0 {
        return Ok(());
    }
    let (kernel, lane) = copier(e, &[cols, from.stride, from.start, to.stride, to.start]);
    let (unit, cols) = (e.bytes() * lane, cols / lane);
    let scaled = |c: Columns<'_>| (c.stride / lane, c.start / lane);
    let ((stride, start), (out_stride, out_start)) = (scaled(from), scaled(to));
    if rows == 1 && start == 0 && out_start == 0 {
        // One row is as good as none, and may be cut anywhere.
        let streams = streams![x: from.buf => unit, out: to.buf => unit];
        let args = args![cols: u32::MAX, stride: 0u32, start: 0u32, out_stride: 0u32, out_start: 0u32];
        return rec.run_each(&kernel, args, streams, (cols, 1));
    }
    let windows = Windows::of(rec.gpu());
    let read = |p: &Piece| p.rows.start * stride + start..(p.rows.end - 1) * stride + start + cols;
    let written = |p: &Piece| p.rows.start * out_stride + out_start..(p.rows.end - 1) * out_stride + out_start + cols;
    for piece in ranges(&windows, rows, unit, &[(from.buf, &read), (to.buf, &written)])? {
        let (source, base) = windows.cut(from.buf, &read(&piece), unit);
        let (target, out_base) = windows.cut(to.buf, &written(&piece), unit);
        let n = piece.rows.len() * cols;
        rec.run(
            &kernel,
            args![
                n: n, cols: cols, stride: stride, start: relative(read(&piece).start, base), out_stride: out_stride,
                out_start: relative(written(&piece).start, out_base),
            ],
            bufs![x: &source, out: &target],
            n,
        )?;
    }
    Ok(())
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
    for (buf, cols, start) in [(a, ca, 0), (b, cb, ca)] {
        let to = Columns { buf: out, stride: ca + cb, start };
        columns(rec, e, (rows, cols), Columns { buf, stride: cols, start: 0 }, to)?;
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
    columns(rec, e, (rows, cols), Columns { buf: x, stride, start }, Columns { buf: out, stride: cols, start: 0 })
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
    let (unit, c) = (e.bytes() * lane, c / lane);
    if n * h * w * c == 0 {
        return Ok(());
    }
    let windows = Windows::of(rec.gpu());
    // As both extents double, the images' rows may be taken for those of one image.
    let read = |p: &Piece| p.rows.start * w * c..p.rows.end * w * c;
    let written = |p: &Piece| 4 * p.rows.start * w * c..4 * p.rows.end * w * c;
    for piece in ranges(&windows, n * h, unit, &[(image, &read), (out, &written)])? {
        let (source, base) = windows.cut(image, &read(&piece), unit);
        let (target, out_base) = windows.cut(out, &written(&piece), unit);
        let n = 4 * piece.rows.len() * w * c;
        rec.run(
            &kernel.clone().with("UPSAMPLE"),
            args![
                n: n, cols: c, stride: c, start: relative(read(&piece).start, base), out_stride: c,
                out_start: relative(written(&piece).start, out_base), h: 2 * piece.rows.len(), w: 2 * w,
            ],
            bufs![x: &source, out: &target],
            n,
        )?;
    }
    Ok(())
}
