//! Largest values of windows, for networks that judge images. In plaintext only: no network that makes images has it.

use super::{Op, Shape, one};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{PoolShape, max_pool};
use crate::protocol;

/// `y[n, i, j, c] = max x[n, i s + a, j s + b, c]` over `a, b < kernel`; what no whole window covers is dropped.
#[derive(Debug)]
pub struct MaxPool {
    /// Extent of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
}

const PLAIN_ONLY: &str = "exists in plaintext only";

impl MaxPool {
    fn pool(&self, x: &[usize]) -> PoolShape {
        PoolShape { image: [x[0], x[1], x[2], x[3]], kernel: self.kernel, stride: self.stride }
    }
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        match x.as_slice() {
            _ if self.kernel == 0 || self.stride == 0 => Err("needs a kernel and a stride of 1 or more".into()),
            [n, h, w, c] if (*h).min(*w) >= self.kernel => {
                let pool = self.pool(x);
                Ok(vec![*n, pool.extent(*h), pool.extent(*w), *c])
            }
            _ => Err(format!("needs [n, h, w, c] of at least the window's extent {}", self.kernel)),
        }
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let pool = self.pool(ctx.shape(node.inputs[0]));
        max_pool(ctx.rec, &inputs[0], &pool, &out)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, _inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Err(PLAIN_ONLY.into())
    }

    fn secure(&self, _s: &mut Secure, _at: usize, _node: &Node, _inputs: &mut [Value]) -> Result<Value, ExecError> {
        Err(protocol::Error::Range(format!("max_pool {PLAIN_ONLY}")).into())
    }
}
