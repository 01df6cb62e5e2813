//! Nearest-neighbour upsampling by two.

use super::{Op, Shape, one};

/// `y[n, i, j, c] = x[n, i / 2, j / 2, c]`.
#[derive(Debug)]
pub struct Upsample;

impl Op for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.as_slice() {
            [n, h, w, c] => Ok(vec![*n, 2 * h, 2 * w, *c]),
            _ => Err("needs [n, h, w, c]".into()),
        }
    }
}
