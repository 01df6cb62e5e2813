//! Joining along the channel dimension.

use super::{Op, Shape, share};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Element, concat};
use crate::protocol;

/// `[.., a] ++ [.., b] -> [.., a + b]`.
#[derive(Debug)]
pub struct Concat;

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("takes 2 inputs, got {}", inputs.len())) };
        let (Some((ca, la)), Some((cb, lb))) = (a.split_last(), b.split_last()) else {
            return Err("needs at least one dimension".into());
        };
        if la != lb {
            return Err("leading dimensions differ".into());
        }
        Ok(la.iter().copied().chain([ca + cb]).collect())
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let width = |i: usize| ctx.shape(node.inputs[i]).last().copied().unwrap_or(1);
        let (ca, cb) = (width(0), width(1));
        let rows = elements(&node.shape) / (ca + cb);
        concat(ctx.rec, Element::F32, rows, (&inputs[0], ca), (&inputs[1], cb), &out)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        match inputs {
            [Some(a), Some(b)] if a.f == b.f => Ok((Format { k: a.k.min(b.k), f: a.f }, None)),
            _ => Err("needs two secret inputs with equal fraction bits".into()),
        }
    }

    fn secure(&self, s: &mut Secure, _at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let width = |i: usize| s.graph.node(node.inputs[i]).shape.last().copied().unwrap_or(1);
        let (ca, cb) = (width(0), width(1));
        Ok(protocol::concat(&mut s.ctx, share(&inputs[0]), ca, share(&inputs[1]), cb)?.into())
    }
}
