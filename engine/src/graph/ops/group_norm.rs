//! Group normalisation.

use super::{Op, Shape, WeightSpec, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value, fixed};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{GroupShape, group_norm};
use crate::protocol::{FixedWeights, NormShape, factor_fraction, normalise, settle};

/// `y = (x - mean) / sqrt(var + eps) * weight + bias`, mean and variance (biased) over each group of channels.
#[derive(Debug)]
pub struct GroupNorm {
    /// `path.weight`, `path.bias`.
    pub path: String,
    /// Number of groups; divides `channels`.
    pub groups: usize,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
}

impl GroupNorm {
    fn norm_shape(&self, s: &Secure, node: &Node) -> NormShape {
        NormShape {
            n: node.shape[0],
            positions: elements(&node.shape[1..]) / self.channels,
            channels: self.channels,
            groups: self.groups,
            eps: f64::from(self.eps),
            variance: s.plan.config.variance,
            f: s.format(node.inputs[0].index()).f,
            k: s.plan.ring,
        }
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        if x.len() < 2 || x.last() != Some(&self.channels) {
            return Err(format!("needs {} channels last", self.channels));
        }
        if self.groups == 0 || !self.channels.is_multiple_of(self.groups) {
            return Err(format!("{} groups do not divide {} channels", self.groups, self.channels));
        }
        Ok(x.clone())
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
        let (channels, groups, eps) = (self.channels, self.groups, self.eps);
        let positions = elements(&node.shape[1..]) / channels;
        let s = GroupShape { images: node.shape[0], positions, channels, groups, eps };
        let weight = ctx.weight(node, &format!("{}.weight", self.path))?;
        let bias = ctx.weight(node, &format!("{}.bias", self.path))?;
        let out = ctx.output(node)?;
        group_norm(ctx.rec, &s, &inputs[0], &weight, &bias, &out)?;
        Ok(out)
    }

    fn statistics(&self, output: &[usize]) -> Option<(usize, usize)> {
        Some((elements(&output[1..]) / self.channels, self.channels / self.groups))
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

/// Shares `path.weight` and keeps `path.bias` at the server.
pub(super) fn distribute(s: &mut Secure, at: usize, shape: &NormShape, path: &str) -> Result<(), ExecError> {
    let f = s.plan.config.weight;
    let (gamma, rows) = (format!("{path}.weight"), *shape);
    s.share_layer(at, &shape.affine_layer(), 64, f, move |store| {
        Ok(FixedWeights { weight: rows.affine_matrix(&store.tensor(&gamma)?.data, f), bias: None })
    })?;
    let name = format!("{path}.bias");
    match s.weight(&name)? {
        Some(b) => s.keep(at, &fixed(&name, &b, shape.result_fraction())?),
        None => Ok(()),
    }
}

/// Normalises with the weights that [`distribute`] shared.
pub(super) fn normalised(s: &mut Secure, at: usize, shape: &NormShape, x: &mut Value) -> Result<Value, ExecError> {
    let share = s.widen(x, shape.k)?;
    let Value::Secret { wire, .. } = x else { unreachable!("widened") };
    let reusable = wire.clone().filter(|w| w.k == shape.k);
    let beta = s.kept(at);
    let (gamma, ctx) = s.layer_and_ctx(at);
    let (y, opened) = normalise(ctx, &share, reusable.as_ref(), shape, gamma, beta.as_ref())?;
    *wire = Some(opened);
    Ok(settle(ctx, &y, shape.f)?.into())
}
