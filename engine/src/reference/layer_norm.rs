//! Layer normalisation of rows, in `f64`, mean before variance.

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over rows as long as `weight`.
pub fn layer_norm(eps: f32, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let cols = weight.len();
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(cols) {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / cols as f64;
        let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / cols as f64;
        for i in 0..cols {
            let y = (f64::from(row[i]) - mean) / (variance + f64::from(eps)).sqrt();
            out.push((y * f64::from(weight[i]) + f64::from(bias[i])) as f32);
        }
    }
    out
}
