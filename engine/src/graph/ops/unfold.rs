//! What a kernel sees at each position: a convolution with a kernel that is not square is this and a linear layer. In
//! plaintext only.

use super::pool::PLAIN_ONLY;
use super::{Op, Shape, one};
use crate::exec::{ExecError, Format, PlainCtx, Planner, Secure, Value};
use crate::gpu::Buf;
use crate::graph::Node;
use crate::kernels::{UnfoldShape, unfold};
use crate::protocol;

/// `y[n, i, j, (a, b, c)] = x[n, i + a - rows / 2, j + b - columns / 2, c]`, zero outside.
#[derive(Debug)]
pub struct Unfold {
    /// Rows and columns of the kernel, odd.
    pub kernel: [usize; 2],
}

impl Op for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match one(inputs)?.as_slice() {
            _ if self.kernel.iter().any(|k| k % 2 == 0) => Err("needs a kernel of odd extents".into()),
            [n, h, w, c] => Ok(vec![*n, *h, *w, self.kernel[0] * self.kernel[1] * c]),
            _ => Err("needs [n, h, w, c]".into()),
        }
    }

    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError> {
        let out = ctx.output(node)?;
        let x = ctx.shape(node.inputs[0]);
        let s = UnfoldShape { image: [x[0], x[1], x[2], x[3]], kernel: self.kernel };
        unfold(ctx.rec, &inputs[0], &s, &out)?;
        Ok(out)
    }

    fn format(&self, _plan: &Planner<'_>, _inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String> {
        Err(PLAIN_ONLY.into())
    }

    fn secure(&self, _s: &mut Secure, _at: usize, _node: &Node, _inputs: &mut [Value]) -> Result<Value, ExecError> {
        Err(protocol::Error::Range(format!("unfold {PLAIN_ONLY}")).into())
    }
}
