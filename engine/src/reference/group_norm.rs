//! Group normalisation of channels-last images, in `f64`, mean before variance.

use crate::kernels::GroupShape;

/// `(x - mean) / sqrt(variance + eps) * weight + bias`
pub fn group_norm(s: &GroupShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let width = s.channels / s.groups;
    let mut out = vec![0.0; x.len()];
    for image in 0..s.images {
        for group in 0..s.groups {
            let at: Vec<usize> = (0..s.positions * width)
                .map(|i| (image * s.positions + i / width) * s.channels + group * width + i % width)
                .collect();
            let mean = at.iter().map(|i| f64::from(x[*i])).sum::<f64>() / at.len() as f64;
            let variance = at.iter().map(|i| (f64::from(x[*i]) - mean).powi(2)).sum::<f64>() / at.len() as f64;
            for i in at {
                let y = (f64::from(x[i]) - mean) / (variance + f64::from(s.eps)).sqrt();
                out[i] = (y * f64::from(weight[i % s.channels]) + f64::from(bias[i % s.channels])) as f32;
            }
        }
    }
    out
}
