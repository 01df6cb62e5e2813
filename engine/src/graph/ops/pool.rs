//! Largest values and means of windows, for networks that judge images. In plaintext only: no network that makes images has
//! them.

use super::{Op, Shape, one};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{self, PoolShape, pool};
use crate::protocol;

/// `y[n, i, j, c]` = the largest, or the mean, of `x[n, i s + a - pad, j s + b - pad, c]` over `a, b < kernel` inside the
/// image; what no whole window of the padded image covers is dropped.
#[derive(Debug)]
pub struct Pool {
    /// What is taken of a window.
    pub what: kernels::Pool,
    /// Extent of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows and columns around the image that windows may reach into.
    pub pad: usize,
}

pub(super) const PLAIN_ONLY: &str = "exists in plaintext only";

impl Pool {
    fn windows(&self, x: &[usize]) -> PoolShape {
        PoolShape { image: [x[0], x[1], x[2], x[3]], kernel: self.kernel, stride: self.stride, pad: self.pad }
    }
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        match self.what {
            kernels::Pool::Max => "max_pool",
            kernels::Pool::Mean => "mean_pool",
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        match x.as_slice() {
            _ if self.kernel == 0 || self.stride == 0 => Err("needs a kernel and a stride of 1 or more".into()),
            _ if self.pad >= self.kernel => Err("needs less padding than the window's extent".into()),
            [n, h, w, c] if (*h).min(*w) + 2 * self.pad >= self.kernel => {
                let windows = self.windows(x);
                Ok(vec![*n, windows.extent(*h), windows.extent(*w), *c])
            }
            _ => Err(format!("needs [n, h, w, c] of at least the window's extent {}", self.kernel)),
        }
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let windows = self.windows(ctx.shape(node.inputs[0]));
        pool(ctx.rec, self.what, &inputs[0], &windows, &out)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, _inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Err(PLAIN_ONLY.into())
    }

    fn secure(&self, _s: &mut Secure, _at: usize, _node: &Node, _inputs: &mut [Value]) -> Result<Value, ExecError> {
        Err(protocol::Error::Range(format!("{} {PLAIN_ONLY}", self.name())).into())
    }
}
