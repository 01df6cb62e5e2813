//! Elementwise non-linearities, in `f64`.

use crate::approx::Approx;
use crate::graph::ops::Function;

/// `f(x)` of every element, with the functions of a set.
pub fn activation(approx: Approx, f: Function, x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| approx.apply(f, f64::from(*x)) as f32).collect()
}
