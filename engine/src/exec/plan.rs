//! The fixed-point plan: ring and fraction bits of every tensor, computed once from graph and settings, the same at all roles.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::NARROW;
use crate::approx::Approx;
use crate::graph::{Graph, Visibility};
use crate::protocol::{ATTENTION_TILE, NormShape, RowMaximum};

/// Settings of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanConfig {
    /// Fraction bits of activations.
    pub activation: u32,
    /// Fraction bits of weights.
    pub weight: u32,
    /// Fraction bits of graph inputs and of the result.
    pub port: u32,
    /// Binary logarithms of the smallest and largest variance a normalisation is exact for.
    pub variance: (i32, i32),
    /// Inputs of activations stay below `2^range`.
    pub range: u32,
    /// Functions on shares.
    pub approx: Approx,
    /// How attention finds the maxima of its rows.
    pub maximum: RowMaximum,
    /// Scores of an attention that exist at a time. The order of masks depends on it, memory and rounds too, the result
    /// within rounding not.
    pub tile: usize,
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self {
            activation: 11,
            weight: 12,
            port: 14,
            variance: (-12, 9),
            range: 7,
            approx: Approx::Loose,
            maximum: RowMaximum::Secure,
            tile: ATTENTION_TILE,
        }
    }
}

impl PlanConfig {
    /// Ring of activations: what the widest sum of squares in the graph needs.
    fn ring(&self, graph: &Graph) -> u32 {
        let norms = graph.nodes.iter().filter(|n| n.visibility == Visibility::Secret);
        let needed = norms
            .filter_map(|n| n.op.statistics(&n.shape))
            .map(|(positions, width)| NormShape::ring(positions, width, self.variance, self.activation));
        needed.fold(LEAST_RING, u32::max)
    }

    /// The same with fewer fraction bits of activations, down to 8, where sums of squares would not fit otherwise: groups of
    /// a decoder of 512 x 512 pixels have 2^21 elements.
    pub fn fitting(self, graph: &Graph) -> Self {
        let fewer = (LEAST_FRACTION..=self.activation).rev().map(|activation| Self { activation, ..self.clone() });
        fewer.into_iter().find(|c| c.ring(graph) <= MOST_RING).unwrap_or(self)
    }
}

/// Smallest and largest ring of activations, and fewest fraction bits of theirs.
const LEAST_RING: u32 = 36;
const MOST_RING: u32 = 52;
const LEAST_FRACTION: u32 = 8;

/// Why no plan exists.
#[derive(Debug, thiserror::Error)]
#[error("{node}: {what}")]
pub struct PlanError {
    /// Node.
    pub node: String,
    /// What does not fit.
    pub what: String,
}

/// Fixed-point format of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Format {
    /// Ring bits.
    pub k: u32,
    /// Fraction bits.
    pub f: u32,
}

/// Plan of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Format of the result; `None` if the server knows it in the clear.
    pub format: Option<Format>,
    /// Ring the result's consumers would like it in.
    pub wanted: u32,
    /// Ring in which a linear layer computes.
    pub layer: Option<u32>,
}

/// The plan of a graph.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Settings.
    pub config: PlanConfig,
    /// Ring of activations that normalisations and products read.
    pub ring: u32,
    /// By node.
    pub nodes: Vec<NodePlan>,
}

/// What an operation's format rule sees.
pub struct Planner<'a> {
    /// Settings.
    pub config: &'a PlanConfig,
    /// Ring of activations.
    pub ring: u32,
    /// Whether this node is the graph's result.
    pub is_output: bool,
    /// Ring the node's consumers would like.
    pub wanted: u32,
    /// Shapes of the node's inputs.
    pub shapes: Vec<&'a [usize]>,
}

impl Planner<'_> {
    /// Ring and result format of a linear layer for an input with `fx` fraction bits: the result comes in the ring that its
    /// readers want, up to that of activations.
    pub fn layer(&self, fx: u32) -> (u32, Format) {
        let f = if self.is_output { self.config.port } else { self.config.activation };
        let shift = fx + self.config.weight - f;
        // Where 64 bits are too few, the result has fewer than the ring of activations: who needs that opens it once.
        let needed = if self.is_output { self.ring } else { self.wanted.clamp(NARROW, self.ring) };
        let k = (needed + shift).next_multiple_of(4).min(64);
        (k, Format { k: k - shift, f })
    }
}

impl Plan {
    /// Computes the plan, or names the node that cannot be held.
    pub fn new(graph: &Graph, config: PlanConfig) -> Result<Self, PlanError> {
        let ring = config.ring(graph);
        if ring > MOST_RING {
            return Err(PlanError {
                node: graph.name.clone(),
                what: format!(
                    "sums of squares need {ring} bits, {MOST_RING} are the most; lower the activations' fraction bits or \
                     the largest variance (`fixed_point` in the network's config.json)"
                ),
            });
        }
        let mut wanted = vec![0u32; graph.nodes.len()];
        for (i, n) in graph.nodes.iter().enumerate().rev() {
            for (slot, input) in n.inputs.iter().enumerate() {
                let want = n.op.wants(slot, ring, wanted[i], &config);
                let w = &mut wanted[input.index()];
                *w = (*w).max(want);
            }
        }
        let mut plan = Self { config, ring, nodes: Vec::with_capacity(graph.nodes.len()) };
        for (i, n) in graph.nodes.iter().enumerate() {
            let inputs: Vec<Option<Format>> = n.inputs.iter().map(|j| plan.nodes[j.index()].format).collect();
            let planner = Planner {
                config: &plan.config,
                ring,
                is_output: graph.output.index() == i,
                wanted: wanted[i],
                shapes: n.inputs.iter().map(|j| graph.node(*j).shape.as_slice()).collect(),
            };
            let node = match n.visibility {
                Visibility::Public => NodePlan { format: None, wanted: wanted[i], layer: None },
                Visibility::Secret => {
                    let (format, layer) =
                        n.op.format(&planner, &inputs).map_err(|what| PlanError { node: n.name.clone(), what })?;
                    if format.k <= format.f + 2 || format.k > 64 {
                        return Err(PlanError {
                            node: n.name.clone(),
                            what: format!("a ring of {} bits cannot hold {} fraction bits", format.k, format.f),
                        });
                    }
                    NodePlan { format: Some(format), wanted: wanted[i], layer }
                }
            };
            plan.nodes.push(node);
        }
        Ok(plan)
    }

    /// Fingerprint of graph and plan: roles with different ones do not talk.
    pub fn fingerprint(&self, graph: &Graph) -> [u8; 32] {
        let mut h = Sha256::new();
        h.update(graph.fingerprint());
        h.update(format!("{:?}", self));
        h.finalize().into()
    }

    /// The plan as a table.
    pub fn table(&self, graph: &Graph) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{:<48} {:<12} {:<20} {:>5} {:>5} {:>6}", "node", "op", "shape", "ring", "frac", "layer");
        for (n, p) in graph.nodes.iter().zip(&self.nodes) {
            let shape = n.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            let (k, f) = match p.format {
                Some(x) => (x.k.to_string(), x.f.to_string()),
                None => ("-".into(), "clear".into()),
            };
            let layer = p.layer.map_or(String::new(), |l| l.to_string());
            let _ = writeln!(out, "{:<48} {:<12} {shape:<20} {k:>5} {f:>5} {layer:>6}", n.name, n.op.name());
        }
        out
    }
}
