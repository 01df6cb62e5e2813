//! Elementwise sums.

use crate::kernels::Broadcast;

/// `a + b`, `b` the same at every position of an image if broadcast.
pub fn add(a: &[f32], b: &[f32], broadcast: Option<Broadcast>) -> Vec<f32> {
    let at = |i: usize| broadcast.map_or(i, |s| i / s.image * s.channels + i % s.channels);
    a.iter().enumerate().map(|(i, a)| a + b[at(i)]).collect()
}
