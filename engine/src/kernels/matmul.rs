//! Matrix products on ring words (wrapping) and on `f32`.

use super::Packed;
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

    pub(super) fn kernel(self, file: &'static str) -> Kernel {
        match self {
            Element::Ring => Kernel::new(file),
            Element::F32 => Kernel::new(file).with("F32"),
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

    /// Whether rows can be accessed four elements at a time.
    fn quads(&self, columns: usize) -> bool {
        let steps = [columns, self.offset, self.row_stride, self.outer_stride, self.inner_stride];
        self.col_stride == 1 && steps.iter().all(|s| s.is_multiple_of(4))
    }
}

/// The variant of a product for its operands, and the tiles of 8 rows it is dispatched for.
pub(super) struct Tiling {
    pub(super) kernel: Kernel,
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
        let rows = m.div_ceil(8);
        // Threads that share what they load need whole subgroups of one tile column; unless that wastes a quarter of
        // them.
        let whole = rows.next_multiple_of(8);
        let shared = a && rec.gpu().subgroup() == Some(8) && 4 * whole <= 5 * rows;
        let mut kernel = b.element.kernel(file);
        let accumulate = mode != Mode::Set;
        for (define, on) in
            [("SCALAR", !a), ("RAGGED", !out), ("ACCUMULATE", accumulate), ("WIDE", b.width == 8), ("SHARED", shared)]
        {
            kernel = if on { kernel.with(define) } else { kernel };
        }
        Self { kernel, rows: if shared { whole } else { rows }, shared }
    }
}

/// `out[z] = a[z] * b[z]` for m x k times k x n, or added or subtracted. One `b` serves all batches if it holds one
/// matrix. Ring products are exact modulo 2^64 in every form; `f32` products are sums in ascending k, from the bias on.
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
    assert_eq!(e, b.element, "matmul: b was packed for other elements");
    let batches = a_layout.batches;
    assert!(batches == out_layout.batches && (b.batches == batches || b.batches == 1), "matmul: batches differ");
    let tiling = Tiling::new(rec, "matmul", mode, b, m, (a_layout.quads(b.k), out_layout.quads(b.n)));
    let (tiles_m, tiles_n) = (tiling.rows, b.tiles());
    let threads = batches * tiles_m * tiles_n;
    if threads == 0 {
        return Ok(());
    }
    // Neighbours in different columns read the same rows of `a`: rows a power of two apart fall into few sets of a
    // cache.
    let across = tiles_n >= 8 && !tiling.shared;
    rec.run(
        &tiling.kernel,
        args![
            m: m, n: b.n, k: b.k, tiles_m: tiles_m, tiles_n: tiles_n, batches: batches,
            across: u32::from(across), subtract: u32::from(mode == Mode::Sub),
            panel: b.panel(), b_step: if b.batches == 1 { 0 } else { b.panel() * tiles_n },
            a_offset: a_layout.offset, a_inner: a_layout.inner, a_outer: a_layout.outer_stride,
            a_step: a_layout.inner_stride, a_row: a_layout.row_stride, a_col: a_layout.col_stride,
            out_offset: out_layout.offset, out_inner: out_layout.inner, out_outer: out_layout.outer_stride,
            out_step: out_layout.inner_stride, out_row: out_layout.row_stride, out_col: out_layout.col_stride,
        ],
        bufs![a: a, b: &b.buf, out: out],
        threads,
    )
}
