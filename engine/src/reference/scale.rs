//! Products with one constant.

/// `factor * x`
pub fn scale(factor: f32, x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| factor * x).collect()
}
