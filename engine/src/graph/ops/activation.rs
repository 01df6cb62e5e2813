//! Elementwise non-linearities.

use super::{Op, Shape, one};
use crate::exec::{ExecError, PlainCtx};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Curve, activation};

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

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let table = ctx.table(self.name(), self.function)?;
        let curve = table.as_ref().map_or(Curve::Exact(self.function), Curve::Table);
        activation(ctx.rec, curve, &inputs[0], &out, elements(&node.shape))?;
        Ok(out)
    }
}
