//! What a network costs, from its graph alone.

use std::collections::BTreeMap;

use masque_engine::graph::{Graph, elements};

/// Sizes of a graph for one evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Numbers in its weights.
    pub parameters: u64,
    /// Multiply-accumulates of layers and attention.
    pub macs: u64,
    /// Elements that non-linear functions are evaluated on, by the name of the operation; those of `attention` are the
    /// softmax's.
    pub nonlinear: BTreeMap<&'static str, u64>,
}

impl Info {
    /// Counts; weights that several nodes use count once.
    pub fn of(graph: &Graph) -> Self {
        let mut info = Self::default();
        let weights: BTreeMap<_, _> = graph.weights().into_iter().map(|w| (w.name, w.shape)).collect();
        info.parameters = weights.values().map(|shape| elements(shape) as u64).sum();
        for node in &graph.nodes {
            info.macs += graph.macs(node);
            let evaluated = graph.nonlinear(node);
            if evaluated > 0 {
                *info.nonlinear.entry(node.op.name()).or_default() += evaluated;
            }
        }
        info
    }

    /// Elements that one operation's function is evaluated on.
    pub fn evaluated(&self, operation: &str) -> u64 {
        self.nonlinear.get(operation).copied().unwrap_or(0)
    }
}
