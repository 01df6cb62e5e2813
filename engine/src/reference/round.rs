//! Rounding to fixed point.

/// The nearest multiple of `2^-bits`, ties to even.
pub fn round(bits: u32, x: &[f32]) -> Vec<f32> {
    let unit = (bits as f32).exp2();
    x.iter().map(|x| (x * unit).round_ties_even() / unit).collect()
}
