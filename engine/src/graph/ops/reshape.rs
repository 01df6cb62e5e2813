//! The same elements under another shape.

use super::{Op, Shape, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::graph::elements;

/// Reinterprets the extents; moves nothing.
#[derive(Debug)]
pub struct Reshape {
    /// New extents.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        if elements(x) != elements(&self.shape) {
            return Err(format!("cannot become {:?}", self.shape));
        }
        Ok(self.shape.clone())
    }

    fn plain(&self, _: &mut PlainCtx<'_>, _: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        Ok(inputs[0].clone())
    }

    fn format(&self, _plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Ok((secret(inputs)?, None))
    }

    fn secure(&self, _s: &mut Secure, _at: usize, _node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        Ok(inputs[0].clone())
    }
}
