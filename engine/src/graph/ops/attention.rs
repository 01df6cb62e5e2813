//! Multi-head attention core.

use super::{Op, Shape};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{Element, Mode, Strided, matmul, pack, softmax};
use crate::protocol::{AttentionShape, SoftmaxSpec, attention, open_all};

/// `softmax(q k^T / sqrt(d)) v` per head, on `[n, t, heads * d]`.
#[derive(Debug)]
pub struct Attention {
    /// Number of heads; divides the width.
    pub heads: usize,
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [q, k, v] = inputs else { return Err(format!("takes 3 inputs, got {}", inputs.len())) };
        let ([n, _, c], [nk, tk, ck], [nv, tv, cv]) = (q.as_slice(), k.as_slice(), v.as_slice()) else {
            return Err("needs [n, t, c] three times".into());
        };
        if n != nk || n != nv || tk != tv || c != ck || c != cv {
            return Err("extents differ".into());
        }
        if self.heads == 0 || !c.is_multiple_of(self.heads) {
            return Err(format!("{} heads do not divide width {c}", self.heads));
        }
        Ok((*q).clone())
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let (n, t, c) = (node.shape[0], node.shape[1], node.shape[2]);
        let (tk, d, e) = (ctx.shape(node.inputs[1])[1], c / self.heads, Element::F32);
        let heads = |t| Strided::heads(n, self.heads, t, c);
        let scores = ctx.rec.alloc(n * self.heads * t * tk * e.bytes())?;
        let weights = ctx.rec.alloc(n * self.heads * t * tk * e.bytes())?;
        let square = Strided::batched(n * self.heads, t * tk, tk);
        let keys = pack(ctx.rec, e, &inputs[1], heads(tk).transposed(), d, tk)?;
        matmul(ctx.rec, e, Mode::Set, &inputs[0], heads(t), &keys, &scores, square, t)?;
        let exponential = ctx.exponential()?;
        let scale = (d as f32).sqrt().recip();
        softmax(ctx.rec, &exponential, scale, &scores, &weights, (n * self.heads * t, tk))?;
        let values = pack(ctx.rec, e, &inputs[2], heads(tk), tk, d)?;
        let out = ctx.output(node)?;
        matmul(ctx.rec, e, Mode::Set, &weights, square, &values, &out, heads(t), t)?;
        Ok(out)
    }

    fn wants(&self, _slot: usize, ring: u32, _wanted: u32, _config: &PlanConfig) -> u32 {
        ring
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        match inputs {
            [Some(q), Some(k), Some(v)] if q.f == k.f && k.f == v.f => Ok((Format { k: plan.ring - 20, f: v.f }, None)),
            _ => Err("needs three secret inputs with equal fraction bits".into()),
        }
    }

    fn secure(&self, s: &mut Secure, _at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let shape = AttentionShape {
            n: node.shape[0],
            heads: self.heads,
            queries: node.shape[1],
            keys: s.graph.node(node.inputs[1]).shape[1],
            width: node.shape[2] / self.heads,
        };
        let spec = SoftmaxSpec { scale: (shape.width as f64).sqrt().recip(), approx: s.plan.config.approx };
        let ring = s.plan.ring;
        let shares = inputs.iter_mut().map(|v| s.widen(v, ring)).collect::<Result<Vec<_>, _>>()?;
        let wires = open_all(&mut s.ctx, &[(&shares[0], 0, ring), (&shares[1], 0, ring), (&shares[2], 0, ring)])?;
        Ok(attention(&mut s.ctx, &wires[0], &wires[1], &wires[2], &shape, &spec)?.into())
    }
}
