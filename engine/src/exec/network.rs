//! The networks of a session on shares: each has its graph, plan, weights and counters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::PlainState;
use super::plan::Plan;
use crate::gpu::Buf;
use crate::graph::{Graph, WeightStore};
use crate::protocol::{Cost, ServerWeights};

/// What was measured for a node, summed over runs.
#[derive(Clone, Debug, Default)]
pub struct NodeStats {
    /// Time the device (or the host preparing it) worked.
    pub compute: Duration,
    /// Time spent waiting for messages.
    pub wait: Duration,
    /// Bytes and rounds.
    pub cost: Cost,
    /// Of `cost` and `wait`, what an attention's softmax took.
    pub softmax: (Cost, Duration),
}

/// A graph with its plan, its weights as this role holds them, and counters.
pub struct Network {
    /// What is computed.
    pub graph: Arc<Graph>,
    /// Fixed-point plan.
    pub plan: Plan,
    /// By node; the last entry is everything outside the graph (sampler, inputs, result).
    pub stats: Vec<NodeStats>,
    pub(super) layers: HashMap<usize, ServerWeights>,
    pub(super) vectors: HashMap<usize, Buf>,
    pub(super) plain: Option<PlainState>,
}

impl Network {
    pub(super) fn new(graph: Arc<Graph>, plan: Plan, weights: Option<Arc<dyn WeightStore>>) -> Self {
        let plain = weights.map(|w| PlainState::new(graph.clone(), w, plan.config.approx));
        let stats = vec![NodeStats::default(); graph.nodes.len() + 1];
        Self { graph, plan, stats, layers: HashMap::new(), vectors: HashMap::new(), plain }
    }

    /// Takes the graph of another number of samples; returns whether the weights that this role holds serve it too. They do
    /// where nodes, layers, formats and settings are the same.
    pub(super) fn resize(&mut self, graph: Arc<Graph>, plan: Plan) -> bool {
        let nodes = self.graph.nodes.iter().zip(&graph.nodes).zip(self.plan.nodes.iter().zip(&plan.nodes));
        let kept = self.plan.config == plan.config
            && self.graph.nodes.len() == graph.nodes.len()
            && nodes.into_iter().all(|((a, b), (p, q))| {
                a.name == b.name && a.op.weights() == b.op.weights() && (p.format, p.layer) == (q.format, q.layer)
            });
        if let Some(plain) = &mut self.plain {
            plain.resize(graph.clone());
        }
        if !kept {
            self.stats = vec![NodeStats::default(); graph.nodes.len() + 1];
            (self.layers, self.vectors) = Default::default();
        }
        (self.graph, self.plan) = (graph, plan);
        kept
    }
}

/// The networks that are not selected at the moment.
#[derive(Default)]
pub(super) struct Networks {
    /// By number; none where the selected one belongs.
    parked: Vec<Option<Network>>,
    selected: usize,
}

impl Networks {
    /// Selects a new network; returns its number.
    pub(super) fn add(&mut self, selected: &mut Network, network: Network) -> usize {
        let old = std::mem::replace(selected, network);
        if self.parked.is_empty() {
            self.parked.push(None);
        }
        self.parked[self.selected] = Some(old);
        self.selected = self.parked.len();
        self.parked.push(None);
        self.selected
    }

    /// Selects a network by its number.
    pub(super) fn select(&mut self, selected: &mut Network, at: usize) {
        if at == self.selected {
            return;
        }
        let network = self.parked[at].take().expect("only the selected network is not parked");
        let old = std::mem::replace(selected, network);
        self.parked[self.selected] = Some(old);
        self.selected = at;
    }

    /// All of them by number.
    pub(super) fn into_all(self, selected: Network) -> Vec<Network> {
        let mut selected = Some(selected);
        let number = self.parked.len().max(1);
        let mut parked = self.parked;
        parked.resize_with(number, || None);
        parked.into_iter().filter_map(|n| n.or_else(|| selected.take())).collect()
    }
}
