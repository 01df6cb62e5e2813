//! Two-dimensional convolution.

use super::{Op, Shape, WeightSpec, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{ConvShape, Element, Mode, conv2d, pack_conv_with_bias};
use crate::protocol::Layer;

/// `y[n, oy, ox, o] = b[o] + sum w[o, i, ky, kx] x[n, oy s + ky - p, ox s + kx - p, i]`, zero outside.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `path.weight`, `path.bias`.
    pub path: String,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Extent of the square kernel.
    pub kernel: usize,
    /// Step between output positions.
    pub stride: usize,
    /// Zero rows and columns before the image.
    pub pad: usize,
    /// Zero rows and columns after the image.
    pub pad_after: usize,
}

impl Conv2d {
    /// A convolution that keeps the image's extent (odd kernel, stride 1).
    pub fn same(path: &str, inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { path: path.into(), inputs, outputs, kernel, stride: 1, pad: kernel / 2, pad_after: kernel / 2 }
    }

    /// Output extent for an input extent.
    pub fn extent(&self, n: usize) -> usize {
        (n + self.pad + self.pad_after - self.kernel) / self.stride + 1
    }

    /// Extents of the convolution of an image batch `[n, h, w, inputs]`.
    pub fn extents(&self, input: &[usize]) -> ConvShape {
        let Self { kernel, stride, pad, pad_after, outputs, .. } = *self;
        ConvShape { n: input[0], h: input[1], w: input[2], c: input[3], kernel, stride, pad, pad_after, outputs }
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.as_slice() {
            [n, h, w, c] if *c == self.inputs && (*h).min(*w) + self.pad + self.pad_after >= self.kernel => {
                Ok(vec![*n, self.extent(*h), self.extent(*w), self.outputs])
            }
            _ => Err(format!("needs [n, h, w, {}] of at least the kernel's extent {}", self.inputs, self.kernel)),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        vec![
            WeightSpec {
                name: format!("{}.weight", self.path),
                shape: vec![self.outputs, self.inputs, self.kernel, self.kernel],
            },
            WeightSpec { name: format!("{}.bias", self.path), shape: vec![self.outputs] },
        ]
    }

    fn macs(&self, _inputs: &[&[usize]], output: &[usize]) -> u64 {
        output.iter().product::<usize>() as u64 * (self.inputs * self.kernel * self.kernel) as u64
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let s = self.extents(ctx.shape(node.inputs[0]));
        let b = ctx.packed(node, &self.path, true, |rec, w, b| pack_conv_with_bias(rec, Element::F32, w, &s, b))?;
        let out = ctx.output(node)?;
        conv2d(ctx.rec, Element::F32, Mode::Set, &inputs[0], &s, &b, &out)?;
        Ok(out)
    }

    fn wants(&self, _slot: usize, ring: u32, _wanted: u32, config: &PlanConfig) -> u32 {
        (ring + config.weight).next_multiple_of(4)
    }

    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let (k, format) = plan.layer(secret(inputs)?.f);
        Ok((format, Some(k)))
    }

    fn setup(&self, s: &mut Secure, at: usize, node: &Node) -> Result<(), ExecError> {
        let layer = Layer::Conv(self.extents(&s.graph.node(node.inputs[0]).shape));
        s.share_weights(at, node, &layer, &self.path, true)
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let layer = Layer::Conv(self.extents(&s.graph.node(node.inputs[0]).shape));
        s.layer(at, &layer, &mut inputs[0])
    }
}
