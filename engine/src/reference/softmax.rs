//! Softmax of rows, in `f64`.

use crate::approx::Approx;
use crate::kernels::Scores;

/// `e(scale (x - max)) / sum of the row`, `e` of a set, over the columns that a row sees.
pub fn softmax(approx: Approx, scale: f32, x: &[f32], s: &Scores) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for (i, row) in x.chunks(s.cols).enumerate() {
        let row = &row[..(s.seen + i % s.queries).min(s.cols)];
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let e: Vec<f64> = row.iter().map(|x| approx.exp(f64::from(scale) * (f64::from(*x) - f64::from(top)))).collect();
        let sum: f64 = e.iter().sum();
        out.extend(e.iter().map(|e| (e / sum) as f32));
        out.resize((i + 1) * s.cols, 0.0);
    }
    out
}
