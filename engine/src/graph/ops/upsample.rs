//! Nearest-neighbour upsampling by two.

use super::{Op, Shape, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{Element, upsample};
use crate::protocol;

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

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let x = ctx.shape(node.inputs[0]);
        let extents = [x[0], x[1], x[2], x[3]];
        upsample(ctx.rec, Element::F32, &inputs[0], extents, &out)?;
        Ok(out)
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let x = secret(inputs)?;
        Ok((Format { k: x.k.max(plan.wanted), f: x.f }, None))
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        // Widened before it is copied: a quarter of the bytes.
        let x = s.widen(&mut inputs[0], s.format(at).k)?;
        let (h, w, c) = (node.shape[1] / 2, node.shape[2] / 2, node.shape[3]);
        Ok(protocol::upsample(&mut s.ctx, &x, h, w, c)?.into())
    }
}
