//! Token embeddings.

use super::{Op, Shape, WeightSpec, one, secret, share};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value, fixed_weight};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::gather;
use crate::protocol::{FixedWeights, Layer, linear};

/// `y[n, t] = weight[index[n, t]]`, for the indices of an [`super::Input`] with as many entries. On shares an index is a
/// one-hot row, so that the table is a layer like any other and nothing depends on which row is meant.
#[derive(Debug)]
pub struct Embedding {
    /// `path.weight`.
    pub path: String,
    /// Rows of the table.
    pub entries: usize,
    /// Columns of the table.
    pub width: usize,
}

impl Embedding {
    fn layer(&self, node: &Node) -> Layer {
        let rows = elements(&node.shape) / self.width.max(1);
        Layer::Dense { rows, inputs: self.entries, outputs: self.width, transposed: true }
    }
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.as_slice() {
            [n, t] => Ok(vec![*n, *t, self.width]),
            _ => Err("needs indices [n, t]".into()),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        vec![WeightSpec { name: format!("{}.weight", self.path), shape: vec![self.entries, self.width] }]
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let pieces = ctx.pieces(node, &format!("{}.weight", self.path))?;
        let out = ctx.output(node)?;
        let n = elements(&node.shape) / self.width.max(1);
        gather(ctx.rec, &inputs[0], n, &pieces, self.width, &out)?;
        Ok(out)
    }

    fn wants(&self, _slot: usize, ring: u32, _wanted: u32, _config: &PlanConfig) -> u32 {
        ring
    }

    /// The table has the result's fraction bits, so that nothing is rounded twice.
    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        let k = plan.ring.next_multiple_of(4);
        match secret(inputs)?.f {
            0 => Ok((Format { k, f: plan.config.activation }, Some(k))),
            f => Err(format!("needs indices, not {f} fraction bits")),
        }
    }

    fn setup(&self, s: &mut Secure, at: usize, node: &Node) -> Result<(), ExecError> {
        let (Format { k, f }, name) = (s.format(at), format!("{}.weight", self.path));
        s.share_layer(at, &self.layer(node), k, f, move |store| {
            Ok(FixedWeights { weight: fixed_weight(store, &name, f)?, bias: None })
        })
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let (layer, x) = (self.layer(node), share(&inputs[0]).clone());
        let (table, ctx) = s.layer_and_ctx(at);
        Ok(linear(ctx, &x, &layer, table)?.into())
    }
}
