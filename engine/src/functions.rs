//! The functions of a plaintext run, more freely chosen than an [`Approx`]: for studies of how coarse a stand-in may be.

use crate::approx::{Approx, Exp, Piecewise, QUICK_GELU};
use crate::graph::ops::Function;

/// What a plaintext run computes with. `None` is the function itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Functions {
    /// SiLU, and rescaled QuickGELU.
    pub silu: Option<Piecewise>,
    /// GELU.
    pub gelu: Option<Piecewise>,
    /// The exponential of softmax.
    pub exponential: Option<Exp>,
    /// Fraction bits to which the outputs of layers with weights are rounded (nearest, ties to even). Weights and everything
    /// between stay as they are: this is not fixed-point arithmetic, and has no overflow.
    pub fraction: Option<u32>,
}

impl Functions {
    /// The table of an activation, if there is one. A ReLU is always itself.
    pub fn activation(&self, function: Function) -> Option<Piecewise> {
        match function {
            Function::Relu => None,
            Function::Silu => self.silu.clone(),
            Function::QuickGelu => self.silu.clone().map(|f| f.rescaled(QUICK_GELU)),
            Function::Gelu => self.gelu.clone(),
        }
    }
}

impl From<Approx> for Functions {
    fn from(approx: Approx) -> Self {
        Self {
            silu: approx.activation(Function::Silu),
            gelu: approx.activation(Function::Gelu),
            exponential: approx.exponential(),
            fraction: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_stand_ins_means_its_functions() {
        for set in Approx::ALL {
            let functions = Functions::from(set);
            for function in [Function::Silu, Function::Gelu, Function::QuickGelu] {
                assert_eq!(functions.activation(function), set.activation(function), "{set} {function:?}");
            }
            assert_eq!(functions.activation(Function::Relu), None);
            assert_eq!(functions.exponential, set.exponential());
        }
        assert_eq!(Functions::default(), Functions::from(Approx::Exact));
    }
}
