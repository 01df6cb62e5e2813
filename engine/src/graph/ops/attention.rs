//! Multi-head attention core.

use super::{Op, Shape};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{Element, Mode, Scores, Strided, matmul, pack, softmax};
use crate::protocol::{AttentionShape, SoftmaxSpec, VALUES, attention, open_all};

/// Scores of one plaintext pass.
const SCORES: usize = 16 << 20;

/// `softmax(q k^T / sqrt(d)) v` per head, on `[n, t, heads * d]`.
#[derive(Debug)]
pub struct Attention {
    /// Number of heads; divides the width.
    pub heads: usize,
    /// Whether a token sees itself and those before it only.
    pub causal: bool,
}

impl Attention {
    /// Extents for the shapes of queries and keys, and the softmax.
    fn on_shares(&self, queries: &[usize], keys: &[usize], config: &PlanConfig) -> (AttentionShape, SoftmaxSpec) {
        let shape = AttentionShape {
            n: queries[0],
            heads: self.heads,
            queries: queries[1],
            keys: keys[1],
            width: queries[2] / self.heads,
            causal: self.causal,
            tile: config.tile,
        };
        (shape, SoftmaxSpec { scale: (shape.width as f64).sqrt().recip(), approx: config.approx })
    }
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
        if self.causal && q != k {
            return Err("tokens that see those before them only need as many queries as keys".into());
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
        let keys = pack(ctx.rec, e, &inputs[1], heads(tk).transposed(), d, tk)?;
        let values = pack(ctx.rec, e, &inputs[2], heads(tk), tk, d)?;
        let exponential = ctx.exponential()?;
        let scale = (d as f32).sqrt().recip();
        let out = ctx.output(node)?;
        // As many queries at a time as keep the scores within bounds.
        let step = (SCORES / (n * self.heads * tk).max(1)).clamp(1, t.max(1));
        for first in (0..t).step_by(step) {
            let m = step.min(t - first);
            let queries = Strided { offset: first * c, ..heads(t) };
            let square = Strided::batched(n * self.heads, m * tk, tk);
            let rows = n * self.heads * m;
            let scores = ctx.rec.alloc(rows * tk * e.bytes())?;
            let weights = ctx.rec.alloc(rows * tk * e.bytes())?;
            matmul(ctx.rec, e, Mode::Set, &inputs[0], queries, &keys, &scores, square, m)?;
            let shape = if self.causal {
                Scores { rows, cols: tk, queries: m, seen: first + 1 }
            } else {
                Scores::full(rows, tk)
            };
            softmax(ctx.rec, &exponential, scale, &scores, &weights, &shape)?;
            matmul(ctx.rec, e, Mode::Set, &weights, square, &values, &out, queries, m)?;
        }
        Ok(out)
    }

    fn macs(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        2 * (output.iter().product::<usize>() * inputs[1][1]) as u64
    }

    fn nonlinear(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        (output[0] * output[1] * self.heads * inputs[1][1]) as u64
    }

    fn largest_input(&self, slot: usize, _config: &PlanConfig) -> Option<f64> {
        (slot == 2).then(|| f64::from(VALUES).exp2())
    }

    fn wants(&self, _slot: usize, ring: u32, _wanted: u32, _config: &PlanConfig) -> u32 {
        ring
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        match inputs {
            [Some(q), Some(k), Some(v)] if q.f == k.f && k.f == v.f => {
                let (shape, spec) = self.on_shares(plan.shapes[0], plan.shapes[1], plan.config);
                Ok((Format { k: shape.result_ring(plan.ring, v.f, &spec), f: v.f }, None))
            }
            _ => Err("needs three secret inputs with equal fraction bits".into()),
        }
    }

    fn secure(&self, s: &mut Secure, _at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let (shape, spec) = self.on_shares(&node.shape, &s.graph.node(node.inputs[1]).shape, &s.plan.config);
        let (ring, top) = (s.plan.ring, s.plan.config.maximum);
        let shares = inputs.iter_mut().map(|v| s.widen(v, ring)).collect::<Result<Vec<_>, _>>()?;
        let wires = open_all(&mut s.ctx, &[(&shares[0], 0, ring), (&shares[1], 0, ring), (&shares[2], 0, ring)])?;
        Ok(attention(&mut s.ctx, &wires[0], &wires[1], &wires[2], &shape, (&spec, top))?.into())
    }
}
