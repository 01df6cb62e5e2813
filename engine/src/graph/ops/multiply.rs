//! Elementwise product.

use super::{Op, Shape};
use crate::exec::{ExecError, Format, NARROW, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::product;
use crate::protocol::{self, Map, open_all, truncate};

/// Ring of a product whose second factor has `f` fraction bits: the result's is what readers want if that is less than the
/// ring of activations, and what an opening needs if they want more than a product can give, for then they open it.
fn product_ring(ring: u32, wanted: u32, f: u32) -> u32 {
    let result = if wanted + f <= ring { wanted.max(NARROW) } else { NARROW };
    (result + f).next_multiple_of(4).min(ring)
}

/// `a b`, element by element.
#[derive(Debug)]
pub struct Multiply;

impl Op for Multiply {
    fn name(&self) -> &'static str {
        "multiply"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs {
            [a, b] if a == b => Ok((*a).clone()),
            [_, _] => Err("shapes differ".into()),
            _ => Err(format!("takes 2 inputs, got {}", inputs.len())),
        }
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        product(ctx.rec, &inputs[0], &inputs[1], &out, elements(&node.shape))?;
        Ok(out)
    }

    fn wants(&self, _slot: usize, ring: u32, wanted: u32, config: &PlanConfig) -> u32 {
        product_ring(ring, wanted, config.activation)
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        match inputs {
            [Some(a), Some(b)] => {
                let ring = product_ring(plan.ring, plan.wanted, b.f);
                Ok((Format { k: ring - b.f, f: a.f }, None))
            }
            _ => Err("needs two secret inputs".into()),
        }
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let ring = s.format(at).k + s.format(node.inputs[1].index()).f;
        let shares = inputs.iter_mut().map(|v| s.widen(v, ring)).collect::<Result<Vec<_>, _>>()?;
        let wires = open_all(&mut s.ctx, &[(&shares[0], 0, ring), (&shares[1], 0, ring)])?;
        let y = protocol::multiply(&mut s.ctx, &wires[0], &wires[1], Map::SAME)?;
        Ok(truncate(&mut s.ctx, &y, wires[1].f)?.into())
    }
}
