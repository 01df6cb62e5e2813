//! Where and when: runs a graph on one device.

mod network;
mod plain;
mod plan;
mod range;
mod sampler;
mod secure;

pub use network::{Network, NodeStats};
pub use plain::{Plain, PlainCtx, PlainState};
pub use plan::{Format, NodePlan, Plan, PlanConfig, PlanError, Planner};
pub use range::{check_ranges, run_checked};
pub use sampler::{Clamp, GuidedStep, Mix, carry, reveal_to_client};
pub use secure::{Input, NARROW, Secure, Value, fixed, fixed_weight, section};

use crate::gpu::GpuError;
use crate::graph::{Shape, WeightError};

/// Why a graph could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// A weight could not be read.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// A weight has other extents than the graph expects.
    #[error("weight {name} has shape {found:?}, the graph expects {expected:?}")]
    WeightShape {
        /// Name in the checkpoint.
        name: String,
        /// Shape in the graph.
        expected: Shape,
        /// Shape in the store.
        found: Shape,
    },
    /// A graph input was not given.
    #[error("input `{name}` is missing; the graph {graph} takes {}", known.join(", "))]
    MissingInput {
        /// The missing input.
        name: String,
        /// Name of the graph.
        graph: String,
        /// All inputs of the graph.
        known: Vec<String>,
    },
    /// An input was given twice, or the graph has none of that name.
    #[error("the graph {graph} has no further input `{name}`; it takes {}", known.join(", "))]
    UnknownInput {
        /// The name given.
        name: String,
        /// Name of the graph.
        graph: String,
        /// All inputs of the graph.
        known: Vec<String>,
    },
    /// A protocol stopped.
    #[error(transparent)]
    Protocol(#[from] crate::protocol::Error),
    /// The fixed-point plan cannot hold the graph.
    #[error("no fixed-point plan: {0}")]
    Plan(#[from] PlanError),
    /// A weight is beyond the fixed-point range.
    #[error("weight {name} holds {value}, which does not fit fixed point with {bits} fraction bits")]
    Range {
        /// Name in the checkpoint.
        name: String,
        /// The value.
        value: f32,
        /// Fraction bits.
        bits: u32,
    },
    /// The model's values leave the plan's ranges.
    #[error(
        "{node}: {what} reaches {found:.3e}, the fixed-point plan holds less than {bound}; \
         run it in plaintext only, or raise the plan's ranges (`fixed_point` in the network's config.json)"
    )]
    Unfit {
        /// Node.
        node: String,
        /// What does not fit.
        what: &'static str,
        /// What was found.
        found: f64,
        /// What the plan holds.
        bound: f64,
    },
    /// The graph computes nothing secret.
    #[error("the result of graph {0} does not depend on a secret; run it as plaintext")]
    PublicResult(String),
    /// An input has the wrong number of elements.
    #[error("input `{name}` has {found} elements, shape {shape:?} needs {expected}")]
    InputLength {
        /// Name of the input.
        name: String,
        /// Its shape.
        shape: Shape,
        /// Elements of that shape.
        expected: usize,
        /// Elements given.
        found: usize,
    },
}

impl ExecError {
    fn missing(name: &str, graph: &crate::graph::Graph) -> Self {
        ExecError::MissingInput {
            name: name.into(),
            graph: graph.name.clone(),
            known: graph.inputs.iter().map(|id| graph.node(*id).name.clone()).collect(),
        }
    }
}
