//! Taking channels.

use super::{Op, Shape, one, secret, share};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Element, slice};
use crate::protocol;

/// `y[.., i] = x[.., start + i]` for `i` below `len`.
#[derive(Debug)]
pub struct Slice {
    /// First channel taken.
    pub start: usize,
    /// Channels taken.
    pub len: usize,
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.split_last() {
            Some((c, lead)) if self.start + self.len <= *c => Ok(lead.iter().copied().chain([self.len]).collect()),
            _ => Err(format!("needs {} channels last", self.start + self.len)),
        }
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let stride = ctx.shape(node.inputs[0]).last().copied().unwrap_or(1);
        let rows = elements(&node.shape) / self.len.max(1);
        slice(ctx.rec, Element::F32, &inputs[0], rows, stride, (self.start, self.len), &out)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Ok((secret(inputs)?, None))
    }

    fn secure(&self, s: &mut Secure, _at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let stride = s.graph.node(node.inputs[0]).shape.last().copied().unwrap_or(1);
        Ok(protocol::slice(&mut s.ctx, share(&inputs[0]), stride, self.start, self.len)?.into())
    }
}
