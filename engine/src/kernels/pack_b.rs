//! The right-hand side of a product, rearranged into panels that one thread reads front to back.

use super::{Element, Strided};
use crate::gpu::{Buf, Form, GpuError, Recorder};
use crate::{args, bufs};

/// A matrix `b` (k x n), or several, in panels `[batch][n / width][1 + k rounded up to 4][width]`, zero outside the
/// matrix. Row 0 of a panel is what the product starts from: the bias, or zero.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) buf: Buf,
    pub(super) element: Element,
    pub(super) batches: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) width: usize,
}

impl Packed {
    /// Rows of `b`.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of `b`.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of matrices.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Device memory taken.
    pub fn bytes(&self) -> u64 {
        self.buf.bytes()
    }

    pub(super) fn tiles(&self) -> usize {
        self.n.div_ceil(self.width)
    }

    /// Lines of a panel.
    fn lines(&self) -> usize {
        1 + self.k.next_multiple_of(4)
    }

    /// Quads (groups of four elements) of a panel.
    pub(super) fn panel(&self) -> usize {
        self.lines() * self.width / 4
    }
}

/// Where the rows of `b` lie: row `k` at `(k / inner) * outer + (k % inner) * step`.
pub(super) struct Rows {
    pub(super) inner: usize,
    pub(super) outer: usize,
    pub(super) step: usize,
}

/// Packs `b`: element (z, row, column) as `layout` says, `layout.batches` matrices of k x n.
pub fn pack(rec: &mut Recorder, e: Element, b: &Buf, layout: Strided, k: usize, n: usize) -> Result<Packed, GpuError> {
    pack_with_bias(rec, e, b, layout, k, n, None)
}

/// As [`pack`]; every product with the result also adds `bias` (n elements) to each row.
pub fn pack_with_bias(
    rec: &mut Recorder,
    e: Element,
    b: &Buf,
    layout: Strided,
    k: usize,
    n: usize,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    let rows = Rows { inner: k.max(1), outer: 0, step: layout.row_stride };
    pack_rows(rec, e, b, layout, rows, k, n, bias)
}

#[expect(clippy::too_many_arguments, reason = "the two callers differ in the rows only")]
pub(super) fn pack_rows(
    rec: &mut Recorder,
    e: Element,
    b: &Buf,
    layout: Strided,
    rows: Rows,
    k: usize,
    n: usize,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    // The portable form computes a product in some twenty instructions: its wide tile takes a second to compile on
    // software adapters, so that small matrices do without it.
    let portable = e == Element::Ring && rec.gpu().form() == Form::Portable;
    let wide = if portable { n >= 16 && k >= 64 } else { n > 4 };
    let mut packed =
        Packed { buf: b.clone(), element: e, batches: layout.batches, k, n, width: if wide { 8 } else { 4 } };
    let total = packed.batches * packed.tiles() * packed.lines() * packed.width;
    packed.buf = rec.alloc(total.max(1) * e.bytes())?;
    let mut kernel = e.kernel("pack_b");
    let params = args![
        total: total, k: k, n: n, rows: packed.lines(), width: packed.width, tiles_n: packed.tiles(),
        offset: layout.offset, inner: layout.inner, outer: layout.outer_stride, step: layout.inner_stride,
        k_inner: rows.inner, k_outer: rows.outer, k_step: rows.step, col: layout.col_stride,
    ];
    match bias {
        None => rec.run(&kernel, params, bufs![b: b, out: &packed.buf], total)?,
        Some(bias) => {
            kernel = kernel.with("BIAS");
            rec.run(&kernel, params, bufs![b: b, bias: bias, out: &packed.buf], total)?;
        }
    }
    Ok(packed)
}
