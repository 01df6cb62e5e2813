//! Elementwise sum, with broadcasting of per-image channel vectors.

use super::{Op, Shape};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Broadcast, add};
use crate::protocol::{self, Map};

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

    fn format(&self, _plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        match inputs {
            [Some(a), Some(b)] if a.f == b.f => Ok((Format { k: a.k.min(b.k), f: a.f }, None)),
            [Some(x), None] | [None, Some(x)] => Ok((*x, None)),
            _ => Err(format!("operands differ in fraction bits: {inputs:?}")),
        }
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let shape = &node.shape;
        let channels = shape.last().copied().unwrap_or(1);
        let shapes: Vec<_> = node.inputs.iter().map(|i| s.graph.node(*i).shape.clone()).collect();
        let map = if shapes[0] == shapes[1] {
            Map::SAME
        } else {
            Map::per_group(elements(&shape[1..]) / channels, channels, channels)
        };
        let f = s.format(at).f;
        let sum = match inputs {
            [Value::Secret { share: a, .. }, Value::Secret { share: b, .. }] => {
                protocol::add(&mut s.ctx, a, 1, b, 1, map)?
            }
            [Value::Secret { share: a, .. }, Value::Known(b)] => {
                let b = s.encode(b.as_ref(), elements(&shapes[1]), f)?;
                protocol::add_public(&mut s.ctx, a, b.as_ref(), map)?
            }
            [Value::Known(a), Value::Secret { share: b, .. }] if map == Map::SAME => {
                let a = s.encode(a.as_ref(), elements(&shapes[0]), f)?;
                protocol::add_public(&mut s.ctx, b, a.as_ref(), map)?
            }
            _ => unreachable!("a secret vector added to a public tensor has no model yet"),
        };
        Ok(sum.into())
    }
}
