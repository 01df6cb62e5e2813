//! Layer normalisation.

use super::group_norm::{distribute, normalised};
use super::{Op, Shape, WeightSpec, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::layer_norm;
use crate::protocol::{NormShape, factor_fraction};

/// `y = (x - mean) / sqrt(var + eps) * weight + bias`, mean and variance (biased) over the last dimension.
#[derive(Debug)]
pub struct LayerNorm {
    /// `path.weight`, `path.bias`.
    pub path: String,
    /// Extent of the last dimension.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    /// A group normalisation of single positions in one group.
    fn norm_shape(&self, s: &Secure, node: &Node) -> NormShape {
        NormShape {
            n: elements(&node.shape) / self.channels,
            positions: 1,
            channels: self.channels,
            groups: 1,
            eps: f64::from(self.eps),
            variance: s.plan.config.variance,
            f: s.format(node.inputs[0].index()).f,
            k: s.plan.ring,
        }
    }
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        match x.last() {
            Some(c) if *c == self.channels && *c > 0 => Ok(x.clone()),
            _ => Err(format!("needs width {}", self.channels)),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        ["weight", "bias"]
            .map(|w| WeightSpec { name: format!("{}.{w}", self.path), shape: vec![self.channels] })
            .to_vec()
    }

    fn nonlinear(&self, _inputs: &[&[usize]], output: &[usize]) -> u64 {
        elements(output) as u64
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let weight = ctx.weight(node, &format!("{}.weight", self.path))?;
        let bias = ctx.weight(node, &format!("{}.bias", self.path))?;
        let out = ctx.output(node)?;
        let extents = (elements(&node.shape) / self.channels, self.channels);
        layer_norm(ctx.rec, extents, self.eps, &inputs[0], &weight, &bias, &out)?;
        Ok(out)
    }

    fn statistics(&self, _output: &[usize]) -> Option<(usize, usize)> {
        Some((1, self.channels))
    }

    fn wants(&self, _slot: usize, ring: u32, _wanted: u32, _config: &PlanConfig) -> u32 {
        ring
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let x = secret(inputs)?;
        Ok((Format { k: plan.ring - factor_fraction(plan.config.variance), f: x.f }, None))
    }

    fn setup(&self, s: &mut Secure, at: usize, node: &Node) -> Result<(), ExecError> {
        distribute(s, at, &self.norm_shape(s, node), &self.path)
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let shape = self.norm_shape(s, node);
        normalised(s, at, &shape, &mut inputs[0])
    }
}
