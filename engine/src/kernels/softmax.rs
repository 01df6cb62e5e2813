//! Softmax of rows in `f32`, with the exponential or a stand-in.

use super::activation::Table;
use super::lanes;
use crate::approx::{Approx, Exp, Piecewise, Segment};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// An exponential for arguments up to 0, ready for the kernel.
#[derive(Clone, Debug)]
pub struct Exponential {
    table: Option<Table>,
    code: u32,
    slope: f64,
    start: f64,
    squarings: u32,
    cutoff: f64,
}

impl Exponential {
    /// That of a set of approximations.
    pub fn new(rec: &Recorder, approx: Approx) -> Result<Self, GpuError> {
        Self::of(rec, approx.exponential())
    }

    /// A stand-in, or the exponential itself.
    pub fn of(rec: &Recorder, form: Option<Exp>) -> Result<Self, GpuError> {
        let exact = Self { table: None, code: 0, slope: 1.0, start: 0.0, squarings: 0, cutoff: f64::NEG_INFINITY };
        Ok(match form {
            None => exact,
            Some(Exp::Poly(f)) => Self { table: Some(Table::new(rec, &f)?), code: 1, ..exact },
            Some(Exp::RepeatedSquaring { log2, cutoff }) => Self { code: 2, squarings: log2, cutoff, ..exact },
            // The polynomial is in t = 1 + x / divisor, and so is its border.
            Some(Exp::Mapped { divisor, cutoff, coefficients }) => {
                let f = Piecewise {
                    thresholds: vec![1.0 + cutoff / divisor],
                    segments: vec![Segment::Zero, Segment::Poly(coefficients)],
                };
                Self { table: Some(Table::new(rec, &f)?), code: 1, slope: 1.0 / divisor, start: 1.0, ..exact }
            }
        })
    }
}

/// Rows of attention scores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scores {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns: keys.
    pub cols: usize,
    /// Consecutive rows that belong to consecutive queries; 1 where all rows see the same.
    pub queries: usize,
    /// Columns that the first query sees; each further query sees one more.
    pub seen: usize,
}

impl Scores {
    /// Rows that see all columns.
    pub fn full(rows: usize, cols: usize) -> Self {
        Self { rows, cols, queries: 1, seen: cols }
    }
}

/// `out[r, c] = e(scale (x[r, c] - max x[r])) / sum of the row`, over the columns that a row sees; 0 in the others.
pub fn softmax(
    rec: &mut Recorder,
    e: &Exponential,
    scale: f32,
    x: &Buf,
    out: &Buf,
    s: &Scores,
) -> Result<(), GpuError> {
    // A kernel that reads no table is given `x` in its place.
    let (table, borders, width) = e.table.as_ref().map_or((x, 0, 1), |t| (&t.buf, t.borders, t.width));
    let (kernel, lane) = match s.queries == 1 && s.seen == s.cols {
        true => lanes("softmax", &[s.cols]),
        false => (Kernel::new("softmax"), 1),
    };
    rec.run(
        &kernel,
        args![
            rows: s.rows, cols: s.cols / lane, queries: s.queries, seen: s.seen / lane, scale: scale, e: e.code, borders: borders, width: width,
            slope: e.slope as f32, start: e.start as f32, squarings: e.squarings, cutoff: e.cutoff as f32,
        ],
        bufs![x: x, table: table, out: out],
        s.rows,
    )
}
