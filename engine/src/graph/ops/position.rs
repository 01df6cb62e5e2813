//! Position embeddings.

use super::{Op, Shape, WeightSpec, one, secret, share};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value, fixed};
use crate::gpu::Buf;
use crate::graph::{Node, elements};
use crate::kernels::{Broadcast, add};
use crate::protocol::{Map, add_public};

/// `y[n, t, c] = x[n, t, c] + weight[t, c]`: the first rows of a table that only the server knows.
#[derive(Debug)]
pub struct Position {
    /// `path.weight`.
    pub path: String,
    /// Rows of the table: the most tokens there can be.
    pub entries: usize,
    /// Columns of the table.
    pub width: usize,
}

impl Op for Position {
    fn name(&self) -> &'static str {
        "position"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.as_slice() {
            x @ [_, t, c] if *t <= self.entries && *c == self.width => Ok(x.to_vec()),
            _ => Err(format!("needs [n, at most {}, {}]", self.entries, self.width)),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        vec![WeightSpec { name: format!("{}.weight", self.path), shape: vec![self.entries, self.width] }]
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let table = ctx.weight(node, &format!("{}.weight", self.path))?;
        let out = ctx.output(node)?;
        let n = elements(&node.shape);
        // Every image gets the same: all of them are one image whose vector is as long as the used rows.
        let broadcast = Broadcast { image: n, channels: elements(&node.shape[1..]) };
        add(ctx.rec, &inputs[0], &table, Some(broadcast), &out, n)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Ok((secret(inputs)?, None))
    }

    fn setup(&self, s: &mut Secure, at: usize, node: &Node) -> Result<(), ExecError> {
        let name = format!("{}.weight", self.path);
        match s.weight(&name)? {
            Some(w) => s.keep(at, &fixed(&name, &w[..elements(&node.shape[1..])], s.format(at).f)?),
            None => Ok(()),
        }
    }

    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError> {
        let table = s.kept(at);
        let map = Map::per_column(elements(&node.shape[1..]));
        Ok(add_public(&mut s.ctx, share(&inputs[0]), table.as_ref(), map)?.into())
    }
}
