//! Elementwise sum, with broadcasting of per-image channel vectors.

use super::{Op, Shape};
use crate::exec::{ExecError, PlainCtx};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Broadcast, add};

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

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let (n, b) = (elements(&node.shape), ctx.shape(node.inputs[1]));
        let broadcast = (b != node.shape).then(|| Broadcast { image: n / b[0], channels: b[1] });
        add(ctx.rec, &inputs[0], &inputs[1], broadcast, &out, n)?;
        Ok(out)
    }
}
