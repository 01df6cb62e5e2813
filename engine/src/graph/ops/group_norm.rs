//! Group normalisation.

use super::{Op, Shape, WeightSpec, one};
use crate::exec::{ExecError, PlainCtx};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{GroupShape, group_norm};

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
}
