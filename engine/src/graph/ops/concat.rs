//! Joining along the channel dimension.

use super::{Op, Shape};

/// `[.., a] ++ [.., b] -> [.., a + b]`.
#[derive(Debug)]
pub struct Concat;

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("takes 2 inputs, got {}", inputs.len())) };
        let (Some((ca, la)), Some((cb, lb))) = (a.split_last(), b.split_last()) else {
            return Err("needs at least one dimension".into());
        };
        if la != lb {
            return Err("leading dimensions differ".into());
        }
        Ok(la.iter().copied().chain([ca + cb]).collect())
    }
}
