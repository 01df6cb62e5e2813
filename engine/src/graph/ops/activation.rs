//! Elementwise non-linearities.

use super::{Op, Shape, one};

/// Which non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `x Phi(x)`
    Gelu,
    /// `x / (1 + exp(-1.702 x))`
    QuickGelu,
}

/// Applies [`Function`] to every element.
#[derive(Debug)]
pub struct Activation {
    /// The non-linearity.
    pub function: Function,
}

impl Op for Activation {
    fn name(&self) -> &'static str {
        match self.function {
            Function::Relu => "relu",
            Function::Silu => "silu",
            Function::Gelu => "gelu",
            Function::QuickGelu => "quick_gelu",
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        one(inputs).cloned()
    }
}
