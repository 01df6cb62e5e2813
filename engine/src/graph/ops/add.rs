//! Elementwise sum, with broadcasting of per-image channel vectors.

use super::{Op, Shape};

/// `a + b`; `b` is of `a`'s shape, or `[n, c]` for an `a` of `[n, .., c]`.
#[derive(Debug)]
pub struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("takes 2 inputs, got {}", inputs.len())) };
        let broadcast = b.len() == 2 && a.len() > 2 && a.first() == b.first() && a.last() == b.last();
        if a != b && !broadcast {
            return Err("shapes differ".into());
        }
        Ok((*a).clone())
    }
}
