//! Matrix products on ring words (wrapping) and on `f32`.

use std::ops::Range;

use super::Packed;
use super::windows::{Along, Piece, Windows, relative};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// What matrices hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Element {
    /// Words of Z_2^64, 8 bytes.
    Ring,
    /// `f32`, 4 bytes.
    F32,
}

impl Element {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Element::Ring => 8,
            Element::F32 => 4,
        }
    }
}

/// What becomes of the product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// `out = product`
    Set,
    /// `out += product`
    Add,
    /// `out -= product`
    Sub,
}

/// Where the elements of a batch of matrices lie: (z, row, column) at
/// `offset + (z / inner) * outer_stride + (z % inner) * inner_stride + row * row_stride + column * col_stride`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strided {
    /// Number of matrices.
    pub batches: usize,
    /// Matrices per step of `outer_stride`, e.g. heads per image; at least 1.
    pub inner: usize,
    /// Elements from one group of `inner` matrices to the next.
    pub outer_stride: usize,
    /// Elements from one matrix to the next within a group.
    pub inner_stride: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
    /// First element.
    pub offset: usize,
}

impl Strided {
    /// One matrix, row after row.
    pub fn rows(columns: usize) -> Self {
        Self::batched(1, 0, columns)
    }

    /// `batches` matrices `stride` elements apart, each row after row.
    pub fn batched(batches: usize, stride: usize, columns: usize) -> Self {
        Self { batches, inner: 1, outer_stride: stride, inner_stride: 0, row_stride: columns, col_stride: 1, offset: 0 }
    }

    /// The heads of `[n, rows, width]`, side by side in a row: `n * heads` matrices of `rows` x `width / heads`.
    pub fn heads(n: usize, heads: usize, rows: usize, width: usize) -> Self {
        Self {
            batches: n * heads,
            inner: heads,
            outer_stride: rows * width,
            inner_stride: width / heads.max(1),
            ..Self::rows(width)
        }
    }

    /// The transposed matrices.
    pub fn transposed(self) -> Self {
        Self { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Where the first and the last of these matrices begin, or bounds of it.
    pub(super) fn matrices(&self, batches: &Range<usize>) -> (usize, usize) {
        let at = |z: usize| self.offset + z / self.inner * self.outer_stride + z % self.inner * self.inner_stride;
        let (first, last) = (batches.start, batches.end.max(batches.start + 1) - 1);
        if first / self.inner == last / self.inner {
            return (at(first), at(last));
        }
        (at(first / self.inner * self.inner), at(last / self.inner * self.inner + self.inner - 1))
    }

    /// The elements of these rows and columns of these matrices, and what lies between.
    fn span(&self, batches: &Range<usize>, rows: &Range<usize>, columns: &Range<usize>) -> Range<usize> {
        let (first, last) = self.matrices(batches);
        let within = |row: usize, column: usize| row * self.row_stride + column * self.col_stride;
        first + within(rows.start, columns.start)..last + within(rows.end - 1, columns.end - 1) + 1
    }

    /// Whether rows can be accessed four elements at a time.
    fn quads(&self, columns: usize) -> bool {
        let steps = [columns, self.offset, self.row_stride, self.outer_stride, self.inner_stride];
        self.col_stride == 1 && steps.iter().all(|s| s.is_multiple_of(4))
    }
}

/// The variant of a product for its operands, and the tiles that it is dispatched for.
pub(super) struct Tiling {
    pub(super) kernel: Kernel,
    /// Tiles down the rows.
    pub(super) rows: usize,
    shared: bool,
}

impl Tiling {
    /// For `m` rows; `a` and `out` say whether these can be accessed four elements at a time.
    pub(super) fn new(
        rec: &Recorder,
        file: &'static str,
        mode: Mode,
        b: &Packed,
        m: usize,
        (a, out): (bool, bool),
    ) -> Self {
        let rows = m.div_ceil(if b.width == 16 { 4 } else { 8 });
        // Threads that share what they load need whole subgroups of one tile column; unless that wastes a quarter of
        // them.
        let whole = rows.next_multiple_of(8);
        let shared = a && rec.gpu().subgroup() == Some(8) && 4 * whole <= 5 * rows;
        let mut kernel = b.format.kernel(file);
        let accumulate = mode != Mode::Set;
        for (define, on) in [
            ("SCALAR", !a),
            ("RAGGED", !out),
            ("ACCUMULATE", accumulate),
            ("WIDE", b.width == 8),
            ("BROAD", b.width == 16),
            ("SHARED", shared),
        ] {
            kernel = if on { kernel.with(define) } else { kernel };
        }
        Self { kernel, rows: if shared { whole } else { rows }, shared }
    }
}

/// `out[z] = a[z] * b[z]` for m x k times k x n, or added or subtracted. One `b` serves all batches if it holds one
/// matrix. Operands may be larger than what a kernel may see of a buffer. Ring products are exact modulo 2^64 in every form; `f32` products are sums in ascending k, from the bias on.
///
/// # Panics
/// If `b` was packed for other elements, or batches differ: a bug in this repository.
#[expect(clippy::too_many_arguments, reason = "a product has this many operands")]
pub fn matmul(
    rec: &mut Recorder,
    e: Element,
    mode: Mode,
    a: &Buf,
    a_layout: Strided,
    b: &Packed,
    out: &Buf,
    out_layout: Strided,
    m: usize,
) -> Result<(), GpuError> {
    assert_eq!(e, b.format.element(), "matmul: b was packed for other elements");
    let (batches, unit) = (a_layout.batches, e.bytes());
    assert!(batches == out_layout.batches && (b.batches == batches || b.batches == 1), "matmul: batches differ");
    if batches * m * b.n == 0 {
        return Ok(());
    }
    let windows = Windows::of(rec.gpu());
    let columns = |piece: &Piece| piece.tiles.start * b.width..(piece.tiles.end * b.width).min(b.n);
    let a_span = |piece: &Piece| a_layout.span(&piece.batches, &piece.rows, &(0..b.k.max(1)));
    let out_span = |piece: &Piece| out_layout.span(&piece.batches, &piece.rows, &columns(piece));
    let whole = Piece { batches: 0..batches, rows: 0..m, tiles: 0..b.tiles() };
    let pieces = windows.pieces(whole, |piece| {
        let (from, with, to) = (a_span(piece), b.span(piece), out_span(piece));
        let [a_fits, b_fits, out_fits] =
            [windows.fit(a, &from, unit), windows.fit(&b.buf, &with, b.quad()), windows.fit(out, &to, unit)];
        let many = piece.batches.len() > 1;
        let along = match () {
            _ if a_fits && b_fits && out_fits => return None,
            _ if many && (!a_fits || !out_fits || b.batches > 1) => Along::Batches,
            _ if !a_fits || (!out_fits && out_layout.row_stride >= out_layout.col_stride) => Along::Rows,
            _ => Along::Tiles,
        };
        Some((along, (from.len().max(to.len()) * unit).max(with.len() * b.quad()) as u64))
    })?;
    let quads = (a_layout.quads(b.k), out_layout.quads(b.n));
    for piece in pieces {
        let rows = piece.rows.len();
        let tiling = Tiling::new(rec, "matmul", mode, b, rows, quads);
        let (tiles_m, tiles_n) = (tiling.rows, piece.tiles.len());
        // Neighbours in different columns read the same rows of `a`: rows a power of two apart fall into few sets of a
        // cache.
        let across = tiles_n >= 8 && !tiling.shared;
        let (from, a_base) = windows.cut(a, &a_span(&piece), unit);
        let (with, b_base) = windows.cut(&b.buf, &b.span(&piece), b.quad());
        let (to, out_base) = windows.cut(out, &out_span(&piece), unit);
        let step = if b.batches == 1 { 0 } else { b.panel() * b.tiles() };
        let columns = columns(&piece);
        rec.run(
            &tiling.kernel,
            args![
                m: rows, n: columns.len(), k: b.k, tiles_m: tiles_m, tiles_n: tiles_n, batches: piece.batches.len(),
                across: u32::from(across), subtract: u32::from(mode == Mode::Sub),
                first: piece.batches.start,
                b_first: relative(piece.batches.start * step + piece.tiles.start * b.panel(), b_base),
                panel: b.panel(), b_step: step,
                a_offset: relative(a_layout.offset + piece.rows.start * a_layout.row_stride, a_base),
                a_inner: a_layout.inner, a_outer: a_layout.outer_stride,
                a_step: a_layout.inner_stride, a_row: a_layout.row_stride, a_col: a_layout.col_stride,
                out_offset: relative(
                    out_layout.offset + piece.rows.start * out_layout.row_stride + columns.start * out_layout.col_stride,
                    out_base,
                ),
                out_inner: out_layout.inner, out_outer: out_layout.outer_stride,
                out_step: out_layout.inner_stride, out_row: out_layout.row_stride, out_col: out_layout.col_stride,
            ],
            bufs![a: &from, b: &with, out: &to],
            piece.batches.len() * tiles_m * tiles_n,
        )?;
    }
    Ok(())
}
