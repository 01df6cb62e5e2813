//! A tensor that enters the graph.

use super::{Op, Shape, Visibility};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;

/// Graph input; the executor is given its value or its share.
#[derive(Debug)]
pub struct Input {
    /// Extents.
    pub shape: Shape,
    /// For indices, the number of values they can have: in plaintext they are whole numbers in `f32`, on shares one-hot rows
    /// of that length without fraction bits.
    pub entries: Option<usize>,
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

    fn entries(&self) -> Option<usize> {
        self.entries
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, _: &[Buf]) -> Result<Buf, ExecError> {
        Ok(ctx.input(&node.name))
    }

    fn format(&self, plan: &Planner<'_>, _inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Ok((Format { k: 64, f: if self.entries.is_some() { 0 } else { plan.config.port } }, None))
    }

    fn secure(&self, _s: &mut Secure, _at: usize, _node: &Node, _inputs: &mut [Value]) -> Result<Value, ExecError> {
        unreachable!("the executor takes inputs from its caller")
    }
}
