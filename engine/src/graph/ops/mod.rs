//! One file per operation: its data, shape rule, weights, plaintext rule and secure rule.
//!
//! Adding an operation is a new file here and one line in this list; nothing matches on operations.

mod activation;
mod add;
mod attention;
mod concat;
mod conv2d;
mod group_norm;
mod input;
mod linear;
mod reshape;
mod upsample;

pub use activation::{Activation, Function};
pub use add::Add;
pub use attention::Attention;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use group_norm::GroupNorm;
pub use input::Input;
pub use linear::Linear;
pub use reshape::Reshape;
pub use upsample::Upsample;

use super::{Node, Shape, Visibility, WeightSpec};
use crate::exec::{ExecError, PlainCtx};
use crate::gpu::Buf;

/// An operation of the graph. Its `Debug` form is part of the graph's fingerprint and must hold every constant.
pub trait Op: std::fmt::Debug + Send + Sync {
    /// Name in plans, reports and errors.
    fn name(&self) -> &'static str;

    /// Output shape, or what does not fit.
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String>;

    /// Weights it reads.
    fn weights(&self) -> Vec<WeightSpec> {
        Vec::new()
    }

    /// Fixed visibility, for inputs; other operations inherit it.
    fn visibility(&self) -> Option<Visibility> {
        None
    }

    /// Multiply-accumulates of one evaluation.
    fn macs(&self, _output: &[usize]) -> u64 {
        0
    }

    /// Plaintext rule: records the computation of the node's value from its inputs' values, all `f32`.
    fn plain(&self, ctx: &mut PlainCtx<'_>, node: &Node, inputs: &[Buf]) -> Result<Buf, ExecError>;
}

/// The only input, or a message.
fn one<'a>(inputs: &[&'a Shape]) -> Result<&'a Shape, String> {
    match inputs {
        [x] => Ok(x),
        _ => Err(format!("takes 1 input, got {}", inputs.len())),
    }
}
