//! Plaintext inference in `f32`, with the functions themselves or a set of stand-ins.

use std::collections::HashMap;
use std::sync::Arc;

use super::ExecError;
use crate::functions::Functions;
use crate::gpu::{Buf, Gpu, Lease, Recorder};
use crate::graph::ops::Function;
use crate::graph::{Graph, Id, Node, Shape, Tensor, WeightStore, elements};
use crate::kernels::{Exponential, Packed, Table, round};

/// Sees a node and its value.
type Tap<'a> = dyn FnMut(&Node, &[f32]) + 'a;

/// Bytes of a piece of a large table.
const PIECE: usize = 64 << 20;

/// What stays on the device between runs: matrices and tables as far as its budget allows, vectors and functions always.
#[derive(Default)]
struct Cache {
    packed: HashMap<String, (Packed, Lease)>,
    vectors: HashMap<String, Buf>,
    pieces: HashMap<String, (Vec<Buf>, Lease)>,
    tables: HashMap<&'static str, Option<Table>>,
    exponential: Option<Exponential>,
}

/// What an operation's plaintext rule is given.
pub struct PlainCtx<'a> {
    /// Where work is recorded.
    pub rec: &'a mut Recorder,
    graph: &'a Graph,
    weights: &'a dyn WeightStore,
    functions: &'a Functions,
    cache: &'a mut Cache,
    inputs: &'a HashMap<String, Buf>,
}

impl PlainCtx<'_> {
    /// Extents of a node's value.
    pub fn shape(&self, id: Id) -> &[usize] {
        &self.graph.node(id).shape
    }

    /// Memory for the node's value.
    pub fn output(&self, node: &Node) -> Result<Buf, ExecError> {
        Ok(self.rec.alloc(elements(&node.shape) * size_of::<f32>())?)
    }

    /// The value given for an input of the graph.
    ///
    /// # Panics
    /// If there is none: the executor checks inputs before it starts.
    pub fn input(&self, name: &str) -> Buf {
        self.inputs[name].clone()
    }

    /// A weight as it is in the checkpoint, kept on the device. `name` is one that the node's operation declares.
    pub fn weight(&mut self, node: &Node, name: &str) -> Result<Buf, ExecError> {
        if let Some(buf) = self.cache.vectors.get(name) {
            return Ok(buf.clone());
        }
        let buf = self.upload(node, name)?;
        self.cache.vectors.insert(name.into(), buf.clone());
        Ok(buf)
    }

    /// A weight matrix in pieces of whole rows, one after the other, none larger than a binding may be.
    pub fn pieces(&mut self, node: &Node, name: &str) -> Result<Vec<Buf>, ExecError> {
        if let Some((pieces, _)) = self.cache.pieces.get(name) {
            return Ok(pieces.clone());
        }
        let table = self.load(node, name)?;
        let width = table.shape.last().copied().unwrap_or(1).max(1);
        let rows = (PIECE / size_of::<f32>() / width).max(1);
        let pieces = table.data.chunks(rows * width).map(|piece| self.rec.upload_slice(piece));
        let pieces: Vec<Buf> = pieces.collect::<Result<_, _>>()?;
        if let Some(lease) = self.lease(pieces.iter().map(Buf::bytes).sum())? {
            self.cache.pieces.insert(name.into(), (pieces.clone(), lease));
        }
        Ok(pieces)
    }

    /// The node's matrix in panels, made at first use (at every use where the device's budget is spent) from the uploaded `path.weight` and, if `bias`, `path.bias`.
    pub fn packed(
        &mut self,
        node: &Node,
        path: &str,
        bias: bool,
        pack: impl FnOnce(&mut Recorder, &Buf, Option<&Buf>) -> Result<Packed, crate::gpu::GpuError>,
    ) -> Result<Packed, ExecError> {
        if let Some((p, _)) = self.cache.packed.get(path) {
            return Ok(p.clone());
        }
        let weight = self.upload(node, &format!("{path}.weight"))?;
        let bias = if bias { Some(self.upload(node, &format!("{path}.bias"))?) } else { None };
        let packed = pack(self.rec, &weight, bias.as_ref())?;
        if let Some(lease) = self.lease(packed.bytes())? {
            self.cache.packed.insert(path.into(), (packed.clone(), lease));
        }
        Ok(packed)
    }

    /// Room for weights to stay. Where there is none this waits for the device: what was made for the layers before is free
    /// then, and not before.
    fn lease(&mut self, bytes: u64) -> Result<Option<Lease>, ExecError> {
        let lease = self.rec.gpu().hold(bytes);
        if lease.is_none() {
            self.rec.read(&[])?;
        }
        Ok(lease)
    }

    /// The stand-in for an activation, if this run uses one.
    pub fn table(&mut self, name: &'static str, function: Function) -> Result<Option<Table>, ExecError> {
        if let Some(t) = self.cache.tables.get(name) {
            return Ok(t.clone());
        }
        let table = self.functions.activation(function).map(|f| Table::new(self.rec, &f)).transpose()?;
        self.cache.tables.insert(name, table.clone());
        Ok(table)
    }

    /// The exponential of this run's softmax.
    pub fn exponential(&mut self) -> Result<Exponential, ExecError> {
        if let Some(e) = &self.cache.exponential {
            return Ok(e.clone());
        }
        let e = Exponential::of(self.rec, self.functions.exponential.clone())?;
        Ok(self.cache.exponential.insert(e).clone())
    }

    fn upload(&self, node: &Node, name: &str) -> Result<Buf, ExecError> {
        Ok(self.rec.upload_slice(&self.load(node, name)?.data)?)
    }

    fn load(&self, node: &Node, name: &str) -> Result<Tensor, ExecError> {
        let tensor = self.weights.tensor(name)?;
        let expected: Option<Shape> = node.op.weights().into_iter().find(|w| w.name == name).map(|w| w.shape);
        match expected {
            Some(expected) if expected != tensor.shape => {
                Err(ExecError::WeightShape { name: name.into(), expected, found: tensor.shape })
            }
            _ => Ok(tensor),
        }
    }
}

/// A graph with its weights and what of them is on the device. Weights are uploaded and packed at first use and stay
/// there.
pub struct PlainState {
    graph: Arc<Graph>,
    weights: Arc<dyn WeightStore>,
    functions: Functions,
    cache: Cache,
}

impl PlainState {
    /// Reads no weights yet. The functions are a set of stand-ins or chosen one by one.
    pub fn new(graph: Arc<Graph>, weights: Arc<dyn WeightStore>, functions: impl Into<Functions>) -> Self {
        Self { graph, weights, functions: functions.into(), cache: Cache::default() }
    }

    /// Takes the graph of another number of samples; what is on the device stays there.
    pub fn resize(&mut self, graph: Arc<Graph>) {
        self.graph = graph;
    }

    /// The weights, to be read later.
    pub fn shared_weights(&self) -> Arc<dyn WeightStore> {
        self.weights.clone()
    }

    /// The weights.
    pub fn weights(&self) -> &dyn WeightStore {
        &*self.weights
    }

    /// Records the computation of one node from its inputs' values; `given` holds the graph's inputs by name.
    pub fn node(
        &mut self,
        rec: &mut Recorder,
        node: &Node,
        inputs: &[Buf],
        given: &HashMap<String, Buf>,
    ) -> Result<Buf, ExecError> {
        let mut ctx = PlainCtx {
            rec,
            graph: &self.graph,
            weights: &*self.weights,
            functions: &self.functions,
            cache: &mut self.cache,
            inputs: given,
        };
        let value = node.op.plain(&mut ctx, node, inputs)?;
        if let Some(bits) = self.functions.fraction
            && !node.op.weights().is_empty()
        {
            round(rec, bits, &value, elements(&node.shape))?;
        }
        Ok(value)
    }
}

/// Runs one graph on one device as plaintext.
pub struct Plain {
    rec: Recorder,
    state: PlainState,
}

impl Plain {
    /// An executor; reads no weights yet. The functions are a set of stand-ins or chosen one by one.
    pub fn new(
        gpu: Arc<Gpu>,
        graph: Arc<Graph>,
        weights: Arc<dyn WeightStore>,
        functions: impl Into<Functions>,
    ) -> Self {
        Self { rec: Recorder::new(gpu), state: PlainState::new(graph, weights, functions) }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.state.graph
    }

    /// The graph, to be kept.
    pub fn shared_graph(&self) -> Arc<Graph> {
        self.state.graph.clone()
    }

    /// The recorder, for its counters.
    pub fn recorder(&self) -> &Recorder {
        &self.rec
    }

    /// The graph's output for these inputs, each in channels-last order.
    pub fn run(&mut self, inputs: &[(&str, &[f32])]) -> Result<Vec<f32>, ExecError> {
        self.evaluate(inputs, None)
    }

    /// As [`Plain::run`]; shows every node's value to `tap` in the order of the graph.
    pub fn run_tapped(&mut self, inputs: &[(&str, &[f32])], tap: &mut Tap<'_>) -> Result<Vec<f32>, ExecError> {
        self.evaluate(inputs, Some(tap))
    }

    fn evaluate(&mut self, inputs: &[(&str, &[f32])], mut tap: Option<&mut Tap<'_>>) -> Result<Vec<f32>, ExecError> {
        let inputs = self.upload_inputs(inputs)?;
        let graph = self.state.graph.clone();
        let mut readers = graph.readers();
        let mut values: Vec<Option<Buf>> = vec![None; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            let read: Vec<Buf> = node.inputs.iter().filter_map(|id| values[id.index()].clone()).collect();
            let value = self.state.node(&mut self.rec, node, &read, &inputs)?;
            drop(read);
            if let Some(tap) = &mut tap {
                tap(node, &self.rec.read_slice::<f32>(&value, elements(&node.shape))?);
            }
            if readers[i] > 0 {
                values[i] = Some(value);
            }
            for id in &node.inputs {
                readers[id.index()] -= 1;
                if readers[id.index()] == 0 {
                    values[id.index()] = None;
                }
            }
        }
        let output = values[graph.output.index()].take().expect("the output counts as read");
        Ok(self.rec.read_slice(&output, elements(&graph.node(graph.output).shape))?)
    }

    fn upload_inputs(&self, given: &[(&str, &[f32])]) -> Result<HashMap<String, Buf>, ExecError> {
        let graph = self.state.graph.name.clone();
        let known =
            || self.state.graph.inputs.iter().map(|id| self.state.graph.node(*id).name.clone()).collect::<Vec<_>>();
        let mut uploaded = HashMap::new();
        for (name, data) in given {
            let id = self.state.graph.input(name).filter(|_| !uploaded.contains_key(*name));
            let Some(id) = id else {
                return Err(ExecError::UnknownInput { name: name.to_string(), graph, known: known() });
            };
            let shape = self.state.graph.node(id).shape.clone();
            let expected = elements(&shape);
            if data.len() != expected {
                return Err(ExecError::InputLength { name: name.to_string(), shape, expected, found: data.len() });
            }
            uploaded.insert(name.to_string(), self.rec.upload_slice(data)?);
        }
        match known().into_iter().find(|name| !uploaded.contains_key(name)) {
            Some(name) => Err(ExecError::MissingInput { name, graph, known: known() }),
            None => Ok(uploaded),
        }
    }
}
