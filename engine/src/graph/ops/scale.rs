//! Product with a public constant.

use super::{Op, Shape, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::scale;
use crate::protocol::{self, truncate};

/// `factor x`.
#[derive(Debug)]
pub struct Scale {
    /// The constant.
    pub factor: f32,
}

impl Scale {
    /// Bits of the ring that the fixed-point factor takes: its fraction and its whole part.
    fn bits(&self, config: &PlanConfig) -> u32 {
        config.weight + (self.factor.abs().max(1.0)).log2().ceil() as u32
    }
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        if !self.factor.is_finite() {
            return Err(format!("the factor is {}", self.factor));
        }
        one(inputs).cloned()
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        scale(ctx.rec, self.factor, &inputs[0], &out, elements(&node.shape))?;
        Ok(out)
    }

    fn wants(&self, _slot: usize, _ring: u32, wanted: u32, config: &PlanConfig) -> u32 {
        (wanted + self.bits(config)).next_multiple_of(4)
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let x = secret(inputs)?;
        let k = x.k.max((plan.wanted + self.bits(plan.config)).next_multiple_of(4)).min(64);
        Ok((Format { k: k - plan.config.weight, f: x.f }, None))
    }

    fn secure(&self, s: &mut Secure, at: usize, _node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let bits = s.plan.config.weight;
        let x = s.widen(&mut inputs[0], s.format(at).k + bits)?;
        let factor = (f64::from(self.factor) * f64::from(bits).exp2()).round() as i64;
        let y = protocol::scale(&mut s.ctx, &x, factor, 0, x.f + bits)?;
        Ok(truncate(&mut s.ctx, &y, bits)?.into())
    }
}
