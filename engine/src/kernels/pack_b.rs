//! The right-hand side of a product, rearranged into panels that one thread reads front to back.

use super::windows::{Along, Piece, Windows, relative};
use super::{Element, Strided};
use crate::gpu::{Buf, Form, GpuError, Kernel, Recorder, Tiles};
use crate::{args, bufs};

/// How a packed matrix holds its elements. Products are the same; narrow weights take less memory and fewer
/// multiplications.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Format {
    /// `f32`.
    F32,
    /// Words of Z_2^64.
    Ring,
    /// Ring words that are signed integers of 32 bits.
    I32,
    /// Ring words that are signed integers of 16 bits.
    I16,
}

impl From<Element> for Format {
    fn from(e: Element) -> Self {
        match e {
            Element::F32 => Format::F32,
            Element::Ring => Format::Ring,
        }
    }
}

impl Format {
    /// The narrowest format that holds these ring words.
    pub fn of(words: &[i64]) -> Self {
        let (low, high) = words.iter().fold((0, 0), |(low, high), w| (low.min(*w), high.max(*w)));
        match (low, high) {
            (-0x8000.., ..0x8000) => Format::I16,
            (-0x8000_0000.., ..0x8000_0000) => Format::I32,
            _ => Format::Ring,
        }
    }

    /// What operands and results of products with it hold.
    pub fn element(self) -> Element {
        match self {
            Format::F32 => Element::F32,
            _ => Element::Ring,
        }
    }

    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::Ring => "u64",
            Format::I32 => "i32",
            Format::I16 => "i16",
        }
    }

    /// Its width in a table of them.
    pub fn tile(self, tiles: &mut Tiles) -> &mut Option<u8> {
        match self {
            Format::F32 => &mut tiles.f32,
            Format::Ring => &mut tiles.ring,
            Format::I32 => &mut tiles.i32,
            Format::I16 => &mut tiles.i16,
        }
    }

    /// A table with this format's width alone.
    pub(super) fn only(self, width: u8) -> Tiles {
        let mut tiles = Tiles::default();
        *self.tile(&mut tiles) = Some(width);
        tiles
    }

    /// Bits of an element.
    fn bits(self) -> usize {
        match self {
            Format::Ring => 64,
            Format::F32 | Format::I32 => 32,
            Format::I16 => 16,
        }
    }

    /// Bytes of four elements.
    fn quad(self) -> usize {
        self.bits() / 2
    }

    /// Quads (groups of four elements) of a panel of this width, for `k` rows.
    fn panel(self, k: usize, width: usize) -> usize {
        let head = 8 * self.element().bytes() / self.bits();
        (head + k.next_multiple_of(4)) * width / 4
    }

    pub(super) fn kernel(self, file: &'static str) -> Kernel {
        match self {
            Format::Ring => Kernel::new(file),
            Format::F32 => Kernel::new(file).with("F32"),
            Format::I32 => Kernel::new(file).with("I32"),
            Format::I16 => Kernel::new(file).with("I16"),
        }
    }
}

/// A matrix `b` (k x n), or several, in panels `[batch][n / width][1 + k rounded up to 4][width]`, zero outside the
/// matrix. Row 0 of a panel is what the product starts from: the bias, or zero, in whole elements.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) buf: Buf,
    pub(super) format: Format,
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

    /// How elements are held.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Device memory that a matrix of k x n takes when it is packed.
    pub fn needed(rec: &Recorder, format: Format, k: usize, n: usize) -> u64 {
        let width = width(rec, format, k, n);
        (n.div_ceil(width) * format.panel(k, width) * format.quad()) as u64
    }

    /// Device memory taken.
    pub fn bytes(&self) -> u64 {
        self.buf.bytes()
    }

    pub(super) fn tiles(&self) -> usize {
        self.n.div_ceil(self.width)
    }

    /// Bytes of what kernels load at once: four elements.
    pub(super) fn quad(&self) -> usize {
        self.format.quad()
    }

    /// Quads of a panel.
    pub(super) fn panel(&self) -> usize {
        self.format.panel(self.k, self.width)
    }

    /// The quads of these panels of these matrices, and what lies between.
    pub(super) fn span(&self, piece: &Piece) -> std::ops::Range<usize> {
        let (panel, tiles) = (self.panel(), self.tiles());
        let (first, last) = if self.batches == 1 { (0, 0) } else { (piece.batches.start, piece.batches.end - 1) };
        (first * tiles + piece.tiles.start) * panel..(last * tiles + piece.tiles.end) * panel
    }
}

/// Where the rows of `b` lie: row `k` at `(k / inner) * outer + (k % inner) * step`.
pub(super) struct Rows {
    pub(super) inner: usize,
    pub(super) outer: usize,
    pub(super) step: usize,
}

impl Rows {
    fn at(&self, k: usize) -> usize {
        k / self.inner * self.outer + k % self.inner * self.step
    }

    /// Bounds of the offsets of rows `lines`.
    fn span(&self, lines: &std::ops::Range<usize>) -> (usize, usize) {
        let rounds = lines.start / self.inner != (lines.end - 1) / self.inner;
        let (first, last) = (self.at(lines.start), self.at(lines.end - 1));
        if rounds {
            let start = lines.start / self.inner * self.outer;
            return (start, (lines.end - 1) / self.inner * self.outer + (self.inner - 1) * self.step);
        }
        (first.min(last), first.max(last))
    }
}

/// Packs `b`: element (z, row, column) as `layout` says, `layout.batches` matrices of k x n.
pub fn pack(
    rec: &mut Recorder,
    format: impl Into<Format>,
    b: &Buf,
    layout: Strided,
    k: usize,
    n: usize,
) -> Result<Packed, GpuError> {
    pack_with_bias(rec, format, b, layout, k, n, None)
}

/// As [`pack`]; every product with the result also adds `bias` (n elements) to each row.
pub fn pack_with_bias(
    rec: &mut Recorder,
    format: impl Into<Format>,
    b: &Buf,
    layout: Strided,
    k: usize,
    n: usize,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    let rows = Rows { inner: k.max(1), outer: 0, step: layout.row_stride };
    pack_rows(rec, format.into(), b, layout, rows, k, n, bias)
}

/// Columns that a panel may have.
pub(super) fn widths(format: Format) -> &'static [usize] {
    match format {
        Format::I32 | Format::I16 => &[8, 16],
        Format::Ring | Format::F32 => &[4, 8, 16],
    }
}

/// Columns of a panel.
fn width(rec: &Recorder, format: Format, k: usize, n: usize) -> usize {
    // The portable form computes a product in some twenty instructions: its larger tiles take a second to compile on
    // software adapters, so that small matrices do without them. The keys of an attention are narrow, not small.
    let few = n < 16 || (k < 64 && n < 256);
    let small = format == Format::Ring && rec.gpu().form() == Form::Portable && few;
    let asked = format.tile(&mut rec.gpu().tiles()).map(usize::from).filter(|w| n > 8 && widths(format).contains(w));
    match rec.gpu().subgroup() {
        _ if (small || n <= 4) && !matches!(format, Format::I32 | Format::I16) => 4,
        // Threads that share the panel pay for rows of the left-hand side: many columns a row.
        Some(8) if n > 8 => asked.unwrap_or(16),
        _ => asked.unwrap_or(8),
    }
}

#[expect(clippy::too_many_arguments, reason = "the two callers differ in the rows only")]
pub(super) fn pack_rows(
    rec: &mut Recorder,
    format: Format,
    b: &Buf,
    layout: Strided,
    rows: Rows,
    k: usize,
    n: usize,
    bias: Option<&Buf>,
) -> Result<Packed, GpuError> {
    let width = width(rec, format, k, n);
    let mut packed = Packed { buf: b.clone(), format, batches: layout.batches, k, n, width };
    let (tiles, panel) = (packed.tiles(), packed.panel());
    packed.buf = rec.alloc((packed.batches * tiles * panel * packed.quad()).max(4))?;
    let (windows, unit) = (Windows::of(rec.gpu()), format.element().bytes());
    // Row 0 of a panel is no row of b, and rows beyond k are none either.
    let source = |piece: &Piece| {
        let lines = piece.rows.start.max(1).min(k) - 1..piece.rows.end.clamp(2, k + 1) - 1;
        let (low, high) = if k == 0 { (0, 0) } else { rows.span(&lines) };
        let columns = piece.tiles.start * width..(piece.tiles.end * width).min(n);
        let (first, last) = layout.matrices(&piece.batches);
        let start = first + low + columns.start * layout.col_stride;
        start..last + high + (columns.end - 1) * layout.col_stride + 1
    };
    let lines = 1 + k.next_multiple_of(4);
    let whole = Piece { batches: 0..packed.batches, rows: 0..lines, tiles: 0..tiles };
    if packed.batches * tiles == 0 {
        return Ok(packed);
    }
    let by_rows = layout.row_stride > layout.col_stride;
    let pieces = windows.pieces(whole, |piece| {
        let (from, to) = (source(piece), packed.span(piece));
        let (source_fits, panels_fit) = (windows.fit(b, &from, unit), windows.fit(&packed.buf, &to, packed.quad()));
        let along = match () {
            _ if source_fits && panels_fit => return None,
            _ if piece.batches.len() > 1 => Along::Batches,
            _ if panels_fit && by_rows => Along::Rows,
            _ => Along::Tiles,
        };
        Some((along, ((from.len() * unit).max(to.len() * packed.quad())) as u64))
    })?;
    for piece in pieces {
        let (from, from_base) = windows.cut(b, &source(&piece), unit);
        let (to, to_base) = windows.cut(&packed.buf, &packed.span(&piece), packed.quad());
        // Whole matrices, or some panels of one.
        let panels = piece.batches.len() * piece.tiles.len();
        let threads = panels * piece.rows.len();
        let params = args![
            rows: threads, lines: piece.rows.len(), line: piece.rows.start,
            panel: piece.batches.start * tiles + piece.tiles.start, k: k, n: n, width: width, tiles_n: tiles,
            panel_words: panel * packed.quad() / 4, offset: relative(layout.offset, from_base), inner: layout.inner,
            outer: layout.outer_stride, step: layout.inner_stride, k_inner: rows.inner, k_outer: rows.outer,
            k_step: rows.step, col: layout.col_stride, out_offset: relative(0, to_base * packed.quad() / 4),
        ];
        let kernel = format.kernel("pack_b");
        match bias {
            None => rec.run(&kernel, params, bufs![b: &from, out: &to], threads)?,
            Some(bias) => rec.run(&kernel.with("BIAS"), params, bufs![b: &from, bias: bias, out: &to], threads)?,
        }
    }
    Ok(packed)
}
