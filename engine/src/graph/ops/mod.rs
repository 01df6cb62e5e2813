//! One file per operation: its data, shape rule, weights, plaintext rule and secure rule.
//!
//! Adding an operation is a new file here and one line in this list; nothing matches on operations.

mod activation;
mod add;
mod attention;
mod concat;
mod conv2d;
mod embedding;
mod group_norm;
mod input;
mod layer_norm;
mod linear;
mod multiply;
mod pool;
mod position;
mod reshape;
mod scale;
mod slice;
mod unfold;
mod upsample;

pub use activation::{Activation, Function};
pub use add::Add;
pub use attention::Attention;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use embedding::Embedding;
pub use group_norm::GroupNorm;
pub use input::Input;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use multiply::Multiply;
pub use pool::Pool;
pub use position::Position;
pub use reshape::Reshape;
pub use scale::Scale;
pub use slice::Slice;
pub use unfold::Unfold;
pub use upsample::Upsample;

use super::{Node, Shape, Visibility, WeightSpec};
use crate::exec::{ExecError, Format, PlainCtx, PlanConfig, Planner, Secure, Value};
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

    /// For an input of indices, the number of values they can have.
    fn entries(&self) -> Option<usize> {
        None
    }

    /// Multiply-accumulates of one evaluation.
    fn macs(&self, _inputs: &[&[usize]], _output: &[usize]) -> u64 {
        0
    }

    /// Elements its non-linear function is evaluated on; 0 for linear operations and those that only move elements.
    fn nonlinear(&self, _inputs: &[&[usize]], _output: &[usize]) -> u64 {
        0
    }

    /// For normalisations, positions and channels over which a statistic is taken, given the output shape.
    fn statistics(&self, _output: &[usize]) -> Option<(usize, usize)> {
        None
    }

    /// On shares, the magnitude its input number `slot` must stay below, if that is less than what its ring holds.
    fn largest_input(&self, _slot: usize, _config: &PlanConfig) -> Option<f64> {
        None
    }

    /// Ring bits in which this operation would like its input number `slot`, when its own result is wanted in `wanted`
    /// and activations have `ring` bits.
    fn wants(&self, _slot: usize, _ring: u32, wanted: u32, _config: &PlanConfig) -> u32 {
        wanted
    }

    /// Format of the result on shares, and the ring of the layer if weights are applied. `None` inputs are known to the server.
    fn format(&self, plan: &Planner<'_>, inputs: &[Option<Format>]) -> Result<(Format, Option<u32>), String>;

    /// Distributes weights at the start of a session.
    fn setup(&self, _s: &mut Secure, _at: usize, _node: &Node) -> Result<(), ExecError> {
        Ok(())
    }

    /// Secure rule, the same at all three roles.
    fn secure(&self, s: &mut Secure, at: usize, node: &Node, inputs: &mut [Value]) -> Result<Value, ExecError>;

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

/// The only input's format.
fn secret(inputs: &[Option<Format>]) -> Result<Format, String> {
    match inputs {
        [Some(x)] => Ok(*x),
        _ => Err("needs one secret input".into()),
    }
}

/// The share of an operand known to be secret.
fn share(value: &Value) -> &crate::protocol::Share {
    match value {
        Value::Secret { share, .. } => share,
        Value::Known(_) => unreachable!("the plan made this operand secret"),
    }
}
