//! Products whose operands are larger than what a kernel may see of a buffer: they are computed piece by piece, each
//! with windows of the buffers. An element of the result is computed by one piece, as it would be without.

use std::ops::Range;

use crate::gpu::{Buf, Gpu, GpuError};

/// A part of a product: some matrices, some rows of each, some panels of the right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) batches: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) tiles: Range<usize>,
}

/// Along what a piece is cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Along {
    Batches,
    Rows,
    Tiles,
}

/// What a kernel may see of a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    limit: u64,
    alignment: u64,
}

impl Windows {
    pub(super) fn of(gpu: &Gpu) -> Self {
        Self { limit: gpu.max_binding(), alignment: gpu.alignment() }
    }

    /// Whether a kernel can see these elements of `unit` bytes of a buffer.
    pub(super) fn fit(&self, buf: &Buf, span: &Range<usize>, unit: usize) -> bool {
        self.whole(buf) || {
            let b = self.bytes(span, unit);
            b.end - b.start <= self.limit
        }
    }

    fn whole(&self, buf: &Buf) -> bool {
        buf.bytes().next_multiple_of(64) <= self.limit
    }

    fn bytes(&self, span: &Range<usize>, unit: usize) -> Range<u64> {
        let start = (span.start * unit) as u64 / self.alignment * self.alignment;
        start..((span.end * unit) as u64).next_multiple_of(64)
    }

    /// A window with these elements, and its first element. Small buffers stay whole.
    pub(super) fn cut(&self, buf: &Buf, span: &Range<usize>, unit: usize) -> (Buf, usize) {
        if self.whole(buf) {
            return (buf.clone(), 0);
        }
        let bytes = self.bytes(span, unit);
        let end = bytes.end.min(buf.bytes());
        (buf.window(bytes.start, end - bytes.start), bytes.start as usize / unit)
    }

    /// Cuts `whole` until `misfit` names nothing any more that a kernel cannot see: along what to cut, and how many bytes
    /// are too many.
    pub(super) fn pieces(
        &self,
        whole: Piece,
        misfit: impl Fn(&Piece) -> Option<(Along, u64)>,
    ) -> Result<Vec<Piece>, GpuError> {
        let (mut todo, mut done) = (vec![whole], Vec::new());
        while let Some(piece) = todo.pop() {
            let Some((along, bytes)) = misfit(&piece) else {
                done.push(piece);
                continue;
            };
            let range = match along {
                Along::Batches => &piece.batches,
                Along::Rows => &piece.rows,
                Along::Tiles => &piece.tiles,
            };
            if range.len() < 2 {
                return Err(GpuError::TooLarge { bytes, limit: self.limit });
            }
            // Rows in whole subgroups of tiles where there are many.
            let unit = match (along, range.len()) {
                (Along::Rows, 128..) => 64,
                (Along::Rows, 16..) => 8,
                _ => 1,
            };
            let middle = range.start + (range.len() / 2).next_multiple_of(unit);
            let (mut first, mut second) = (piece.clone(), piece.clone());
            match along {
                Along::Batches => (first.batches.end, second.batches.start) = (middle, middle),
                Along::Rows => (first.rows.end, second.rows.start) = (middle, middle),
                Along::Tiles => (first.tiles.end, second.tiles.start) = (middle, middle),
            }
            todo.extend([second, first]);
        }
        Ok(done)
    }
}

/// `offset - base` as kernels count it, modulo 2^32.
pub(super) fn relative(offset: usize, base: usize) -> u32 {
    (offset as u32).wrapping_sub(base as u32)
}
