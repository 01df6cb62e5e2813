//! Elementwise non-linearities.

use super::{Op, Shape, one, secret};
use crate::exec::{ExecError, Format, NARROW, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Curve, activation};
use crate::protocol::{self, Window};

/// Largest ring in which results come for readers that want it so.
const WIDEST: u32 = 60;

/// Which non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `x Phi(x)`
    Gelu,
    /// `x / (1 + exp(-1.702 x))`
    QuickGelu,
}

/// Applies [`Function`] to every element.
#[derive(Debug)]
pub struct Activation {
    /// The non-linearity.
    pub function: Function,
}

impl Op for Activation {
    fn name(&self) -> &'static str {
        match self.function {
            Function::Relu => "relu",
            Function::Silu => "silu",
            Function::Gelu => "gelu",
            Function::QuickGelu => "quick_gelu",
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        one(inputs).cloned()
    }

    fn nonlinear(&self, _inputs: &[&[usize]], output: &[usize]) -> u64 {
        elements(output) as u64
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let table = ctx.table(self.name(), self.function)?;
        let curve = table.as_ref().map_or(Curve::Exact(self.function), Curve::Table);
        activation(ctx.rec, curve, &inputs[0], &out, elements(&node.shape))?;
        Ok(out)
    }

    fn largest_input(&self, _slot: usize, config: &PlanConfig) -> Option<f64> {
        Some(f64::from(config.range).exp2())
    }

    fn wants(&self, _slot: usize, _ring: u32, _wanted: u32, _config: &PlanConfig) -> u32 {
        NARROW
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let x = secret(inputs)?;
        if x.k < NARROW {
            return Err(format!("an input ring of {} bits is below {NARROW}", x.k));
        }
        // Who wants more opens the result once again: selecting in a ring as large as that costs several times the lift.
        let k = if plan.wanted > WIDEST { NARROW } else { plan.wanted.max(NARROW) };
        Ok((Format { k, f: x.f }, None))
    }

    fn secure(&self, s: &mut Secure, at: usize, _node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let Format { k, f } = s.format(at);
        let exact = || protocol::Error::Range(format!("an exact {} exists in plaintext only", self.name()));
        let table = s.plan.config.approx.activation(self.function).ok_or_else(exact)?;
        let x = s.wire(&mut inputs[0], NARROW)?;
        let hi = (x.f + s.plan.config.range + 1).min(x.k);
        let window = Window { lo: hi.saturating_sub(17), hi };
        Ok(protocol::activation(&mut s.ctx, &x, &table, window, f, k)?.into())
    }
}
