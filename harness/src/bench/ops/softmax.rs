//! Softmax over rows, with the maximum found on shares or revealed.

use masque_engine::approx::Approx;
use masque_engine::protocol::{
    Cost, Ctx, Error, RowMaximum, RowSoftmax, Share, SoftmaxSpec, row_softmax, row_softmax_cost,
};

use super::{Held, Label, Operation, Output, Piece, Rows, Tensor, Wanted, per_piece, rng, shapes, unit};

/// Fraction bits of logits and result.
const INPUT: u32 = 20;
const RESULT: u32 = 24;

struct Softmax {
    label: Label,
    rows: usize,
    cols: usize,
    /// Rows of a piece.
    tile: usize,
    range: (f64, f64),
    spec: SoftmaxSpec,
    maximum: RowMaximum,
}

/// Names of shapes.
pub fn shapes() -> Vec<&'static str> {
    shapes::ATTENTIONS.iter().map(|(name, _)| *name).collect()
}

/// One row of the table for each approximation and way to the maximum.
pub fn rows(wanted: &Wanted) -> Rows {
    let range = wanted.interval("softmax", (-14.0, 0.0), (-100.0, 100.0))?;
    let named = wanted.shape.as_ref().and_then(|s| shapes::ATTENTIONS.iter().find(|(name, _)| name == s));
    let (rows, cols) = named.map_or((wanted.elements.div_ceil(wanted.columns), wanted.columns), |(_, shape)| *shape);
    let mut all: Vec<Box<dyn Operation>> = vec![];
    for maximum in &wanted.maxima {
        for approx in [Approx::Precise, Approx::Loose, Approx::Cipherdm].into_iter().filter(|a| wanted.wants(*a)) {
            let way = match maximum {
                RowMaximum::Secure => "secure maximum",
                RowMaximum::Revealed => "revealed maximum",
            };
            all.push(Box::new(Softmax {
                label: Label {
                    op: "softmax",
                    form: way.into(),
                    approx: Some(approx),
                    size: format!("{rows} x {cols}"),
                    range: Some(range),
                    leaks: maximum.leaks(),
                },
                rows,
                cols,
                tile: (per_piece(rows * cols, 160, wanted.limit) / cols).clamp(1, rows),
                range,
                spec: SoftmaxSpec { scale: 1.0, approx },
                maximum: *maximum,
            }));
        }
    }
    Ok(all)
}

impl Softmax {
    fn tile(&self, index: usize) -> usize {
        self.tile.min(self.rows - index * self.tile)
    }

    fn shape(&self, rows: usize) -> RowSoftmax {
        RowSoftmax { rows, cols: self.cols, spec: self.spec, maximum: self.maximum }
    }
}

fn softmax(row: &[f64], approx: Approx) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = row.iter().map(|v| approx.exp(v - top)).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|v| v / sum).collect()
}

impl Operation for Softmax {
    fn label(&self) -> Label {
        self.label.clone()
    }

    fn elements(&self) -> usize {
        self.rows * self.cols
    }

    fn pieces(&self) -> usize {
        self.rows.div_ceil(self.tile)
    }

    fn piece(&self, index: usize) -> Piece {
        let mut rng = rng(2, index);
        let (low, length) = (self.range.0, self.range.1 - self.range.0);
        let x: Vec<f64> = (0..self.tile(index) * self.cols).map(|_| low + length * unit(&mut rng)).collect();
        let by = |approx: Approx| x.chunks(self.cols).flat_map(|row| softmax(row, approx)).collect();
        Piece {
            exact: by(Approx::Exact),
            plain: Some(by(self.spec.approx)),
            inputs: vec![Tensor::new(&x, 64, INPUT)],
            ..Piece::default()
        }
    }

    fn prepare(&self, _ctx: &mut Ctx, shares: Vec<Share>, _piece: &Piece) -> std::result::Result<Held, Error> {
        Ok(Held { shares, ..Held::default() })
    }

    fn cost(&self, index: usize) -> std::result::Result<Cost, Error> {
        row_softmax_cost(&self.shape(self.tile(index)))
    }

    fn run(&self, ctx: &mut Ctx, held: &Held) -> std::result::Result<Output, Error> {
        let x = &held.shares[0];
        row_softmax(ctx, x, &self.shape(x.n / self.cols), RESULT).map(Output::Share)
    }
}
