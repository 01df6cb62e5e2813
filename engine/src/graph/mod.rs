//! What is computed: a directed acyclic graph of operations on tensors in channels-last layout.
//!
//! A model builds one [`Graph`]; the executors in [`crate::exec`] run that same graph as plaintext, as one of the
//! two computing parties, or as the dealer. A graph names weights but never holds them.
//!
//! Layout: images are `[n, h, w, c]`, token sequences `[n, t, c]`, embeddings `[n, c]`. Weights keep the layout of
//! PyTorch checkpoints (`[out, in, kh, kw]`, `[out, in]`); the executors repack them.

mod builder;
pub mod ops;
mod weights;

pub use builder::GraphBuilder;
pub use ops::Op;
pub use weights::{Tensor, WeightError, WeightStore};

use sha2::{Digest, Sha256};

/// Extents of a tensor, slowest dimension first.
pub type Shape = Vec<usize>;

/// Number of elements of a shape.
pub fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Handle of a node inside its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(crate) u32);

impl Id {
    /// Position of the node in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Who knows a tensor's value while the graph runs on shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Known to client and server before the run, and so is everything computed from it and the weights by the server.
    Public,
    /// Only ever held as shares.
    Secret,
}

/// One operation with its inputs.
#[derive(Debug)]
pub struct Node {
    /// Path of the module in the checkpoint, e.g. `down_blocks.0.resnets.0.conv1`; unique in the graph.
    pub name: String,
    /// What the node computes.
    pub op: Box<dyn Op>,
    /// Nodes whose outputs it reads, all earlier in the list.
    pub inputs: Vec<Id>,
    /// Extents of its output.
    pub shape: Shape,
    /// Secret if any input is.
    pub visibility: Visibility,
}

/// A weight tensor that a graph expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// Name in the checkpoint.
    pub name: String,
    /// Extents in the checkpoint's layout.
    pub shape: Shape,
}

/// A finished graph: nodes in an order in which they can be run.
#[derive(Debug)]
pub struct Graph {
    /// Name of the model, for reports.
    pub name: String,
    /// Nodes; every input precedes its consumers.
    pub nodes: Vec<Node>,
    /// Named graph inputs.
    pub inputs: Vec<Id>,
    /// The result.
    pub output: Id,
}

impl Graph {
    /// The node behind a handle.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.index()]
    }

    /// The input node of that name.
    pub fn input(&self, name: &str) -> Option<Id> {
        self.inputs.iter().copied().find(|id| self.node(*id).name == name)
    }

    /// All weights the graph names, in order of use.
    pub fn weights(&self) -> Vec<WeightSpec> {
        self.nodes.iter().flat_map(|n| n.op.weights()).collect()
    }

    /// Multiply-accumulates of one evaluation of a node.
    pub fn macs(&self, node: &Node) -> u64 {
        node.op.macs(&self.input_shapes(node), &node.shape)
    }

    /// Elements a node's non-linear function is evaluated on.
    pub fn nonlinear(&self, node: &Node) -> u64 {
        node.op.nonlinear(&self.input_shapes(node), &node.shape)
    }

    fn input_shapes(&self, node: &Node) -> Vec<&[usize]> {
        node.inputs.iter().map(|id| self.node(*id).shape.as_slice()).collect()
    }

    /// Fingerprint of structure, shapes and constants: equal on all roles or the handshake fails.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut h = Sha256::new();
        for n in &self.nodes {
            h.update(format!("{}|{:?}|{:?}|{:?}|{:?}\n", n.name, n.op, n.inputs, n.shape, n.visibility));
        }
        h.update(format!("{:?}", self.output));
        h.finalize().into()
    }

    /// For every node, how many nodes read it (the output counts as one reader).
    pub fn readers(&self) -> Vec<usize> {
        let mut r = vec![0; self.nodes.len()];
        for n in &self.nodes {
            for i in &n.inputs {
                r[i.index()] += 1;
            }
        }
        r[self.output.index()] += 1;
        r
    }
}

/// Why a graph could not be built.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// An operation does not accept the shapes it was given.
    #[error("{node} ({op}): {what}; input shapes {shapes:?}")]
    Shape {
        /// Node name.
        node: String,
        /// Operation name.
        op: &'static str,
        /// What does not fit.
        what: String,
        /// Shapes given.
        shapes: Vec<Shape>,
    },
    /// Two nodes carry one name.
    #[error("two nodes are called {0}")]
    Duplicate(String),
}
