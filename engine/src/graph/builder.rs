//! Builds a [`Graph`] node by node, checking shapes as it goes.

use std::collections::HashSet;

use super::ops::{self, Op};
use super::{Graph, GraphError, Id, Node, Shape, Visibility};
use crate::kernels;

/// Collects nodes; the methods named like operations are the vocabulary models are written in.
#[derive(Debug)]
pub struct GraphBuilder {
    name: String,
    nodes: Vec<Node>,
    inputs: Vec<Id>,
    names: HashSet<String>,
}

type Built = Result<Id, GraphError>;

impl GraphBuilder {
    /// An empty graph of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), nodes: Vec::new(), inputs: Vec::new(), names: HashSet::new() }
    }

    /// Shape of a node built so far.
    pub fn shape(&self, id: Id) -> &[usize] {
        &self.nodes[id.index()].shape
    }

    /// Adds any operation.
    pub fn add_node(&mut self, name: impl Into<String>, op: impl Op + 'static, inputs: &[Id]) -> Built {
        let name = name.into();
        if !self.names.insert(name.clone()) {
            return Err(GraphError::Duplicate(name));
        }
        let shapes: Vec<&Shape> = inputs.iter().map(|i| &self.nodes[i.index()].shape).collect();
        let shape = op.shape(&shapes).map_err(|what| GraphError::Shape {
            node: name.clone(),
            op: op.name(),
            what,
            shapes: shapes.iter().map(|s| (*s).clone()).collect(),
        })?;
        let secret = inputs.iter().any(|i| self.nodes[i.index()].visibility == Visibility::Secret);
        let visibility = op.visibility().unwrap_or(if secret { Visibility::Secret } else { Visibility::Public });
        self.nodes.push(Node { name, op: Box::new(op), inputs: inputs.to_vec(), shape, visibility });
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    /// A graph input.
    pub fn input(&mut self, name: &str, shape: &[usize], visibility: Visibility) -> Built {
        let id = self.add_node(name, ops::Input { shape: shape.to_vec(), entries: None, visibility }, &[])?;
        self.inputs.push(id);
        Ok(id)
    }

    /// A graph input of secret indices below `entries`, for [`GraphBuilder::token_embedding`].
    pub fn indices(&mut self, name: &str, shape: &[usize], entries: usize) -> Built {
        let op = ops::Input { shape: shape.to_vec(), entries: Some(entries), visibility: Visibility::Secret };
        let id = self.add_node(name, op, &[])?;
        self.inputs.push(id);
        Ok(id)
    }

    /// `y[n, t] = T[index[n, t]]` for indices `[n, t]` and a table `T` of shape `[entries, width]` called `path.weight`.
    pub fn token_embedding(&mut self, path: &str, indices: Id, entries: usize, width: usize) -> Built {
        self.add_node(path, ops::Embedding { path: path.into(), entries, width }, &[indices])
    }

    /// `y[n, t] = x[n, t] + T[t]` for `x` of shape `[n, t, width]` and a table `[entries, width]` called `path.weight`.
    pub fn position_embedding(&mut self, path: &str, x: Id, entries: usize) -> Built {
        let width = *self.shape(x).last().unwrap_or(&0);
        self.add_node(path, ops::Position { path: path.into(), entries, width }, &[x])
    }

    /// `y[n, oy, ox, o] = bias[o] + sum w[o, i, ky, kx] x[n, oy s + ky - p, ox s + kx - p, i]`; `path` names
    /// `path.weight` and `path.bias`. `after` pads one more row below and column right (diffusers' asymmetric downsampling).
    pub fn conv2d(&mut self, path: &str, x: Id, op: ops::Conv2d) -> Built {
        self.add_node(path, op, &[x])
    }

    /// `y = x W^T + b` on the last dimension.
    pub fn linear(&mut self, path: &str, x: Id, outputs: usize, bias: bool) -> Built {
        let inputs = *self.shape(x).last().unwrap_or(&0);
        self.add_node(path, ops::Linear::new(path, inputs, outputs, bias), &[x])
    }

    /// `y = x T` for one-hot rows `x` and a table `T` of shape `[entries, width]` called `path.weight`.
    pub fn embedding(&mut self, path: &str, one_hot: Id, width: usize) -> Built {
        let entries = *self.shape(one_hot).last().unwrap_or(&0);
        self.add_node(path, ops::Linear::embedding(path, entries, width), &[one_hot])
    }

    /// Elementwise non-linearity.
    pub fn activation(&mut self, name: &str, x: Id, function: ops::Function) -> Built {
        self.add_node(name, ops::Activation { function }, &[x])
    }

    /// Group normalisation with `path.weight` and `path.bias`.
    pub fn group_norm(&mut self, path: &str, x: Id, groups: usize, eps: f32) -> Built {
        let channels = *self.shape(x).last().unwrap_or(&0);
        self.add_node(path, ops::GroupNorm { path: path.into(), groups, channels, eps }, &[x])
    }

    /// Layer normalisation of the last dimension with `path.weight` and `path.bias`.
    pub fn layer_norm(&mut self, path: &str, x: Id, eps: f32) -> Built {
        let channels = *self.shape(x).last().unwrap_or(&0);
        self.add_node(path, ops::LayerNorm { path: path.into(), channels, eps }, &[x])
    }

    /// `a b`, element by element.
    pub fn multiply(&mut self, name: &str, a: Id, b: Id) -> Built {
        self.add_node(name, ops::Multiply, &[a, b])
    }

    /// `factor x` for a public constant.
    pub fn scale(&mut self, name: &str, x: Id, factor: f32) -> Built {
        self.add_node(name, ops::Scale { factor }, &[x])
    }

    /// `len` elements of the last dimension from `start` on.
    pub fn slice(&mut self, name: &str, x: Id, start: usize, len: usize) -> Built {
        self.add_node(name, ops::Slice { start, len }, &[x])
    }

    /// `a + b`; `b` may also be `[n, c]` and is then added at every position of `a`.
    pub fn add(&mut self, name: &str, a: Id, b: Id) -> Built {
        self.add_node(name, ops::Add, &[a, b])
    }

    /// Joins along the last dimension.
    pub fn concat(&mut self, name: &str, a: Id, b: Id) -> Built {
        self.add_node(name, ops::Concat, &[a, b])
    }

    /// Largest values of square windows.
    pub fn max_pool(&mut self, name: &str, x: Id, kernel: usize, stride: usize) -> Built {
        self.pool(name, x, ops::Pool { what: kernels::Pool::Max, kernel, stride, pad: 0 })
    }

    /// Largest values or means of square windows.
    pub fn pool(&mut self, name: &str, x: Id, op: ops::Pool) -> Built {
        self.add_node(name, op, &[x])
    }

    /// What a kernel of `[rows, columns]` sees at each position, side by side; zero outside the image, whose extent stays.
    pub fn unfold(&mut self, name: &str, x: Id, kernel: [usize; 2]) -> Built {
        self.add_node(name, ops::Unfold { kernel }, &[x])
    }

    /// Nearest-neighbour upsampling by two.
    pub fn upsample(&mut self, name: &str, x: Id) -> Built {
        self.add_node(name, ops::Upsample, &[x])
    }

    /// Multi-head `softmax(q k^T / sqrt(d)) v` on `[n, t, heads * d]`; keys and values may be of another number of tokens.
    pub fn attention(&mut self, name: &str, q: Id, k: Id, v: Id, heads: usize) -> Built {
        self.add_node(name, ops::Attention { heads, causal: false }, &[q, k, v])
    }

    /// As [`GraphBuilder::attention`]; a token sees itself and those before it only.
    pub fn causal_attention(&mut self, name: &str, q: Id, k: Id, v: Id, heads: usize) -> Built {
        self.add_node(name, ops::Attention { heads, causal: true }, &[q, k, v])
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, name: &str, x: Id, shape: &[usize]) -> Built {
        self.add_node(name, ops::Reshape { shape: shape.to_vec() }, &[x])
    }

    /// Closes the graph.
    pub fn finish(self, output: Id) -> Graph {
        Graph { name: self.name, nodes: self.nodes, inputs: self.inputs, output }
    }
}
