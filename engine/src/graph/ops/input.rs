//! A tensor that enters the graph.

use super::{Op, Shape, Visibility};
use crate::exec::{ExecError, PlainCtx};
use crate::gpu::Buf;
use crate::graph::Node;

/// Graph input; the executor is given its value or its share.
#[derive(Debug)]
pub struct Input {
    /// Extents.
    pub shape: Shape,
    /// Whether client and server know it.
    pub visibility: Visibility,
}

impl Op for Input {
    fn name(&self) -> &'static str {
        "input"
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }

    fn visibility(&self) -> Option<Visibility> {
        Some(self.visibility)
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, _: &[Buf]) -> Result<Buf, ExecError> {
        Ok(ctx.input(&node.name))
    }
}
