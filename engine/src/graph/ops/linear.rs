//! Fully connected layers and embedding tables.

use super::{Op, Shape, WeightSpec, one, secret};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Element, Mode, Strided, matmul, pack_with_bias};
use crate::protocol::Layer;

/// `y = x W^T + b` on the last dimension.
#[derive(Debug)]
pub struct Linear {
    /// `path.weight`, `path.bias`.
    pub path: String,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Whether `path.bias` exists.
    pub bias: bool,
    /// Whether the weight is stored `[inputs, outputs]` (an embedding table) instead of `[outputs, inputs]`.
    pub transposed: bool,
}

impl Linear {
    /// A layer with weight `[outputs, inputs]`.
    pub fn new(path: &str, inputs: usize, outputs: usize, bias: bool) -> Self {
        Self { path: path.into(), inputs, outputs, bias, transposed: false }
    }

    /// A table `[entries, width]` read by one-hot rows.
    pub fn embedding(path: &str, entries: usize, width: usize) -> Self {
        Self { path: path.into(), inputs: entries, outputs: width, bias: false, transposed: true }
    }
}

impl Linear {
    fn layer(&self, node: &Node) -> Layer {
        Layer::Dense {
            rows: elements(&node.shape) / self.outputs.max(1),
            inputs: self.inputs,
            outputs: self.outputs,
            transposed: self.transposed,
        }
    }
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        match x.split_last() {
            Some((last, lead)) if *last == self.inputs => Ok(lead.iter().copied().chain([self.outputs]).collect()),
            _ => Err(format!("needs width {}", self.inputs)),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        let shape = if self.transposed { [self.inputs, self.outputs] } else { [self.outputs, self.inputs] };
        let mut w = vec![WeightSpec { name: format!("{}.weight", self.path), shape: shape.to_vec() }];
        if self.bias {
            w.push(WeightSpec { name: format!("{}.bias", self.path), shape: vec![self.outputs] });
        }
        w
    }

    fn macs(&self, _inputs: &[&[usize]], output: &[usize]) -> u64 {
        output.iter().product::<usize>() as u64 * self.inputs as u64
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let (e, k, n) = (Element::F32, self.inputs, self.outputs);
        let layout = if self.transposed { Strided::rows(n) } else { Strided::rows(k).transposed() };
        let b = ctx.packed(node, &self.path, self.bias, |rec, w, b| pack_with_bias(rec, e, w, layout, k, n, b))?;
        let out = ctx.output(node)?;
        let m = elements(&node.shape) / n.max(1);
        matmul(ctx.rec, e, Mode::Set, &inputs[0], Strided::rows(k), &b, &out, Strided::rows(n), m)?;
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
        let layer = self.layer(node);
        s.share_weights(at, node, &layer, &self.path, self.bias)
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let layer = self.layer(node);
        s.layer(at, &layer, &mut inputs[0])
    }
}
