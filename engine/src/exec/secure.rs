//! Runs graphs on shares as client, server or dealer.

use std::collections::HashMap;
use std::sync::Arc;

use super::ExecError;
use super::network::{Network, Networks};
use super::plan::{Format, Plan};
use crate::correlated::Scope;
use crate::gpu::{Buf, Kernel};
use crate::graph::{Graph, Node, Visibility, WeightStore};
use crate::protocol::{self, Ctx, FixedWeights, Layer, Masked, Role, ServerWeights, Share, Source, Wire};
use crate::{args, streams};

/// A node's value at one role.
#[derive(Clone, Debug)]
pub enum Value {
    /// Held as shares, with the wire if it was opened.
    Secret {
        /// The share.
        share: Share,
        /// The fresh wire of the same value.
        wire: Option<Wire>,
        /// The same value masked by the client for the layers that read it.
        masked: Option<Masked>,
    },
    /// Known to the server, in `f32` (nothing at the other roles).
    Known(Option<Buf>),
}

impl From<Share> for Value {
    fn from(share: Share) -> Self {
        Value::Secret { share, wire: None, masked: None }
    }
}

/// Ring in which activations are opened when nothing needs a larger one.
pub const NARROW: u32 = 24;

/// State of a session: a role, its networks, and how far the session has come. Fields of the selected [`Network`] are
/// those of the session.
pub struct Secure {
    /// Role, device, peers.
    pub ctx: Ctx,
    /// The selected network.
    network: Network,
    others: Networks,
    /// Counts evaluations and set-ups of all networks, so that no two share an address.
    eval: u32,
}

impl std::ops::Deref for Secure {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}

impl std::ops::DerefMut for Secure {
    fn deref_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

/// The section of a [`Recorder`](crate::gpu::Recorder) that a node's device times are in; that of its softmax follows. One
/// more than the last node's is that of everything outside the graph.
pub fn section(node: usize) -> u32 {
    2 * node as u32
}

/// Rounds to fixed point, or says which weight does not fit.
pub fn fixed(name: &str, values: &[f32], f: u32) -> Result<Vec<i64>, ExecError> {
    let unit = f64::from(f).exp2();
    values
        .iter()
        .map(|v| {
            let x = (f64::from(*v) * unit).round();
            if x.abs() < 2f64.powi(40) {
                Ok(x as i64)
            } else {
                Err(ExecError::Range { name: name.into(), value: *v, bits: f })
            }
        })
        .collect()
}

/// A weight rounded to fixed point.
pub fn fixed_weight(store: &dyn WeightStore, name: &str, f: u32) -> Result<Vec<i64>, ExecError> {
    fixed(name, &store.tensor(name)?.data, f)
}

impl Secure {
    /// Starts a session with one network: distributes its weights' masks. `weights` is given at the server only.
    pub fn new(
        ctx: Ctx,
        graph: Arc<Graph>,
        plan: Plan,
        weights: Option<Arc<dyn WeightStore>>,
    ) -> Result<Self, ExecError> {
        let network = Network::new(graph, plan, weights);
        let mut s = Self { ctx, network, others: Networks::default(), eval: 0 };
        s.share_network()?;
        Ok(s)
    }

    /// Adds a network to the session and selects it; numbers count from 0, which [`Secure::new`] took.
    pub fn add(
        &mut self,
        graph: Arc<Graph>,
        plan: Plan,
        weights: Option<Arc<dyn WeightStore>>,
    ) -> Result<usize, ExecError> {
        let at = self.others.add(&mut self.network, Network::new(graph, plan, weights));
        self.begin();
        self.share_network()?;
        Ok(at)
    }

    /// Selects the network that the next evaluation is of.
    pub fn select(&mut self, network: usize) {
        self.others.select(&mut self.network, network);
    }

    /// Gives the selected network the graph of another number of samples. Its weights stay as they are where the plan has them
    /// in the same formats, and are distributed again, under new masks, where it does not.
    pub fn resize(&mut self, graph: Arc<Graph>, plan: Plan) -> Result<(), ExecError> {
        if self.network.resize(graph, plan) {
            return Ok(());
        }
        self.begin();
        self.share_network()
    }

    /// All networks of the session, in the order in which they were added.
    pub fn into_networks(self) -> Vec<Network> {
        self.others.into_all(self.network)
    }

    /// Distributes the weights of the selected network.
    fn share_network(&mut self) -> Result<(), ExecError> {
        let graph = self.graph.clone();
        for (i, node) in graph.nodes.iter().enumerate() {
            if node.visibility == Visibility::Secret {
                self.ctx.enter(Scope { eval: self.eval, node: i as u32, tile: 0 });
                self.ctx.step_begins()?;
                node.op.setup(self, i, node)?;
            }
        }
        Ok(self.ctx.send_corrections()?)
    }

    /// A weight as reals, at the server.
    pub fn weight(&self, name: &str) -> Result<Option<Vec<f32>>, ExecError> {
        match &self.network.plain {
            Some(p) => Ok(Some(p.weights().tensor(name)?.data)),
            None => Ok(None),
        }
    }

    /// Shares a layer's weights, which the server reads now, and again for every evaluation where they do not fit into its
    /// device's budget. The bias has the output's fraction bits.
    pub fn share_layer(
        &mut self,
        at: usize,
        layer: &Layer,
        k: u32,
        f: u32,
        read: impl Fn(&dyn WeightStore) -> Result<FixedWeights, ExecError> + Send + Sync + 'static,
    ) -> Result<(), ExecError> {
        let store = self.network.plain.as_ref().map(|p| p.shared_weights());
        let source = store.map(|store| -> Source { Box::new(move || Ok(read(&*store)?)) });
        let w = protocol::share_source(&mut self.ctx, layer, k, f, source)?;
        self.network.layers.insert(at, w);
        Ok(())
    }

    /// Shares `path.weight` and, if `bias`, keeps `path.bias` with the layer.
    pub fn share_weights(
        &mut self,
        at: usize,
        node: &Node,
        layer: &Layer,
        path: &str,
        bias: bool,
    ) -> Result<(), ExecError> {
        let (f, fx) = (self.plan.config.weight, self.format(node.inputs[0].index()).f);
        let (weight, bias) = (format!("{path}.weight"), bias.then(|| format!("{path}.bias")));
        let k = self.plan.nodes[at].layer.expect("a layer has a ring");
        self.share_layer(at, layer, k, f, move |store| {
            let bias = bias.as_ref().map(|name| fixed_weight(store, name, f + fx)).transpose()?;
            Ok(FixedWeights { weight: fixed_weight(store, &weight, f)?, bias })
        })
    }

    /// Applies the layer shared for a node and truncates to the node's format.
    pub fn layer(&mut self, at: usize, layer: &Layer, x: &mut Value) -> Result<Value, ExecError> {
        let (k, f) = (self.layers[&at].k, self.format(at).f);
        let x = self.masked(x, k)?;
        let y = protocol::linear_masked(&mut self.ctx, &x, layer, &self.network.layers[&at])?;
        let shift = y.f - f;
        Ok(protocol::truncate(&mut self.ctx, &y, shift)?.into())
    }

    /// Keeps a vector at the server.
    pub fn keep(&mut self, at: usize, values: &[i64]) -> Result<(), ExecError> {
        let buf = self.ctx.rec.upload_slice(values)?;
        self.network.vectors.insert(at, buf);
        Ok(())
    }

    /// The vector kept for a node.
    pub fn kept(&self, at: usize) -> Option<Buf> {
        self.vectors.get(&at).cloned()
    }

    /// Gives access to a node's layer together with the context.
    pub fn layer_and_ctx(&mut self, at: usize) -> (&ServerWeights, &mut Ctx) {
        (&self.network.layers[&at], &mut self.ctx)
    }

    /// The share of a value in a ring of at least `k` bits: as it is, or opened once and lifted.
    pub fn widen(&mut self, value: &mut Value, k: u32) -> Result<Share, ExecError> {
        let Value::Secret { share, wire, .. } = value else { unreachable!("secret operand") };
        if share.k >= k {
            return Ok(share.clone());
        }
        if wire.is_none() {
            let ring = (share.k / 4 * 4).min(NARROW.max(share.f.next_multiple_of(4) + 8));
            *wire = Some(protocol::open(&mut self.ctx, share, 0, ring)?);
        }
        let lifted = protocol::lift(&mut self.ctx, wire.as_ref().expect("just opened"), k)?;
        *share = lifted.clone();
        Ok(lifted)
    }

    /// A value masked by the client in a ring of at least `k` bits: once for all layers that read it.
    fn masked(&mut self, value: &mut Value, k: u32) -> Result<Masked, ExecError> {
        if let Value::Secret { masked: Some(m), .. } = value
            && m.k >= k
        {
            return Ok(m.clone());
        }
        let share = self.widen(value, k)?;
        let new = protocol::masked(&mut self.ctx, &share, k)?;
        if let Value::Secret { masked, .. } = value {
            *masked = Some(new.clone());
        }
        Ok(new)
    }

    /// The wire of a value in a ring of at least `k` bits.
    pub fn wire(&mut self, value: &mut Value, k: u32) -> Result<Wire, ExecError> {
        if let Value::Secret { wire: Some(w), .. } = value
            && w.k >= k
        {
            return Ok(w.clone());
        }
        let share = self.widen(value, k)?;
        let opened = protocol::open(&mut self.ctx, &share, 0, k)?;
        if let Value::Secret { wire, .. } = value {
            *wire = Some(opened.clone());
        }
        Ok(opened)
    }

    /// The server's `f32` values in fixed point.
    pub fn encode(&mut self, known: Option<&Buf>, n: usize, f: u32) -> Result<Option<Buf>, ExecError> {
        let Some(x) = known else { return Ok(None) };
        let out = self.ctx.rec.words(n)?;
        let scale = f64::from(f).exp2() as f32;
        let streams = streams![x: x => 4, out: &out => 8];
        self.ctx.rec.run_each(&Kernel::new("encode"), args![scale: scale], streams, (n, 1))?;
        Ok(Some(out))
    }

    /// Format the plan gives a node.
    pub fn format(&self, at: usize) -> Format {
        self.plan.nodes[at].format.expect("a secret node")
    }

    /// Enters the step outside the graph of the current evaluation.
    pub fn enter_outside(&mut self, part: u16) {
        self.ctx.enter(Scope { eval: self.eval, node: self.graph.nodes.len() as u32, tile: part });
    }

    /// Measures work and adds it to a node (the number of nodes stands for everything outside the graph).
    pub fn measured<T>(
        &mut self,
        at: usize,
        f: impl FnOnce(&mut Self) -> Result<T, ExecError>,
    ) -> Result<T, ExecError> {
        let (busy, wait, cost, aside) = (self.ctx.rec.busy(), self.ctx.waited(), self.ctx.cost(), self.ctx.set_aside());
        self.ctx.rec.section(section(at)).map_err(ExecError::Gpu)?;
        let out = f(self)?;
        let now = self.ctx.set_aside();
        let stats = &mut self.network.stats[at];
        stats.compute += self.ctx.rec.busy() - busy;
        stats.wait += self.ctx.waited() - wait;
        stats.cost = stats.cost + (self.ctx.cost() - cost);
        stats.softmax = (stats.softmax.0 + (now.0 - aside.0), stats.softmax.1 + (now.1 - aside.1));
        Ok(out)
    }

    /// Begins a new evaluation: from here on masks are drawn under a new number.
    pub fn begin(&mut self) {
        self.eval += 1;
    }

    /// Runs the graph once. Secret inputs are shares with the plan's port format; public ones are given as reals.
    pub fn forward(&mut self, inputs: &[(&str, Input)]) -> Result<Share, ExecError> {
        let graph = self.graph.clone();
        let mut readers = graph.readers();
        let mut values: Vec<Option<Value>> = vec![None; graph.nodes.len()];
        let mut public = HashMap::new();
        for id in &graph.inputs {
            let node = graph.node(*id);
            let given = inputs.iter().find(|(n, _)| *n == node.name).map(|(_, v)| v);
            match (given, node.visibility) {
                (Some(Input::Shared(s)), Visibility::Secret) => values[id.index()] = Some(s.clone().into()),
                (Some(Input::Public(x)), Visibility::Public) => {
                    let buf = (self.ctx.role == Role::Server).then(|| self.ctx.rec.upload_slice(x)).transpose()?;
                    if let Some(b) = &buf {
                        public.insert(node.name.clone(), b.clone());
                    }
                    values[id.index()] = Some(Value::Known(buf));
                }
                _ => return Err(ExecError::missing(&node.name, &graph)),
            }
        }
        for (i, node) in graph.nodes.iter().enumerate() {
            if values[i].is_none() {
                self.ctx.enter(Scope { eval: self.eval, node: i as u32, tile: 0 });
                self.ctx.step_begins()?;
                let mut taken: Vec<Value> =
                    node.inputs.iter().map(|j| values[j.index()].clone().expect("inputs come first")).collect();
                // What an operation replaces is free at once.
                node.inputs.iter().for_each(|j| values[j.index()] = None);
                let value = self.measured(i, |s| s.node(i, node, &mut taken, &public))?;
                // What an operation opened or lifted serves the value's other readers too.
                for (j, v) in node.inputs.iter().zip(taken) {
                    values[j.index()] = Some(v);
                }
                values[i] = Some(value);
            }
            for j in &node.inputs {
                readers[j.index()] -= 1;
                if readers[j.index()] == 0 {
                    values[j.index()] = None;
                }
            }
        }
        match values[graph.output.index()].take() {
            Some(Value::Secret { share, .. }) => Ok(share),
            _ => Err(ExecError::PublicResult(graph.name.clone())),
        }
    }

    fn node(
        &mut self,
        at: usize,
        node: &Node,
        inputs: &mut [Value],
        public: &HashMap<String, Buf>,
    ) -> Result<Value, ExecError> {
        if node.visibility == Visibility::Secret {
            return node.op.secure(self, at, node, inputs);
        }
        let Some(plain) = &mut self.network.plain else { return Ok(Value::Known(None)) };
        let known: Vec<Buf> = inputs
            .iter()
            .map(|v| match v {
                Value::Known(Some(b)) => b.clone(),
                _ => unreachable!("a public node reads public values"),
            })
            .collect();
        Ok(Value::Known(Some(plain.node(&mut self.ctx.rec, node, &known, public)?)))
    }
}

/// An input of a secure run.
#[derive(Clone, Debug)]
pub enum Input {
    /// A secret, as this role's share.
    Shared(Share),
    /// Known to client and server.
    Public(Vec<f32>),
}
