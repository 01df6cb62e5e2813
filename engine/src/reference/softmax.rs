//! Softmax of rows, in `f64`.

use crate::approx::Approx;

/// `e(scale (x - max)) / sum of the row`, `e` of a set.
pub fn softmax(approx: Approx, scale: f32, x: &[f32], cols: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(cols) {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let e: Vec<f64> = row.iter().map(|x| approx.exp(f64::from(scale) * (f64::from(*x) - f64::from(top)))).collect();
        let sum: f64 = e.iter().sum();
        out.extend(e.iter().map(|e| (e / sum) as f32));
    }
    out
}
