//! One evaluation of a module on tensors as PyTorch has them: channels first, token ids, time steps, class labels.
//!
//! | module | inputs | output |
//! | --- | --- | --- |
//! | text encoder | `input_ids [n, t]` | `[n, t, hidden_size]` |
//! | conditional UNet | `sample [n, c, h, w]`, `timestep []`, `[1]` or `[n]`, `encoder_hidden_states [n, t, cross_attention_dim]` | `[n, c, h, w]` |
//! | class-conditional UNet | `sample [n, c, h, w]`, `timestep`, `class_labels [n]` if it has classes | `[n, c, h, w]` |
//! | VAE decoder | `latent [n, c, h, w]`, as diffusers' `decode` takes it | `[n, c, h', w']` |
//!
//! Names may carry the prefix `in:`. Whole numbers and floats of any width are taken.

use std::sync::Arc;

use masque_engine::exec::{ExecError, Input, Secure, reveal_to_client};
use masque_engine::graph::{Graph, Tensor, Visibility, elements};
use masque_engine::protocol::Role;

use crate::one_hot::one_hot;
use crate::sampling::{SamplingError, client_share};
use crate::{Extents, ModelError, ModuleConfig, TensorFile, clip_text, unet2d, unet2d_condition, vae_decoder};

/// A prefix that names of inputs may have.
const PREFIX: &str = "in:";

/// A module's graph at the size of its inputs, and these as the graph takes them.
#[derive(Debug)]
pub struct Forward {
    /// What is computed.
    pub graph: Arc<Graph>,
    /// Inputs by name, channels last.
    pub inputs: Vec<(&'static str, Vec<f32>)>,
}

impl Forward {
    /// Reads a module's inputs.
    pub fn new(module: &ModuleConfig, file: &TensorFile) -> Result<Self, ModelError> {
        let given = Given { file };
        let (graph, inputs) = match module {
            ModuleConfig::Text(c) => {
                given.only(&["input_ids"])?;
                let ids = given.tensor("input_ids", &["n", "tokens"], &[None, None])?;
                given.below("input_ids", &ids, c.vocab_size)?;
                let extents = Extents { tokens: Some(ids.shape[1]), sample: None };
                (module.graph(ids.shape[0], extents)?, vec![(clip_text::TOKENS, ids.data)])
            }
            ModuleConfig::Unet(c) => {
                given.only(&["sample", "timestep", "encoder_hidden_states"])?;
                let (n, sample, x) = given.image("sample", c.in_channels)?;
                let width = Some(c.cross_attention_dim);
                let context =
                    given.tensor("encoder_hidden_states", &["n", "tokens", "width"], &[Some(n), None, width])?;
                let (flip, shift) = (c.flip_sin_to_cos, c.freq_shift);
                let time = given.time(n, |t| unet2d::timestep_features(t, c.block_out_channels[0], flip, shift))?;
                let extents = Extents { sample: Some(sample), tokens: Some(context.shape[1]) };
                let inputs = vec![
                    (unet2d_condition::SAMPLE, x),
                    (unet2d_condition::TIME_FEATURES, time),
                    (unet2d_condition::CONTEXT, context.data),
                ];
                (module.graph(n, extents)?, inputs)
            }
            ModuleConfig::ClassUnet(c) => {
                given.only(&["sample", "timestep", "class_labels"])?;
                let (n, sample, x) = given.image("sample", c.in_channels)?;
                let (flip, shift) = (c.flip_sin_to_cos, c.freq_shift);
                let time = given.time(n, |t| unet2d::timestep_features(t, c.block_out_channels[0], flip, shift))?;
                let mut inputs = vec![(unet2d::SAMPLE, x), (unet2d::TIME_FEATURES, time)];
                if let Some(classes) = c.num_class_embeds {
                    let labels = given.tensor("class_labels", &["n"], &[Some(n)])?;
                    given.below("class_labels", &labels, classes)?;
                    inputs.push((unet2d::CLASS, one_hot(indices(&labels.data), classes, "class")?));
                } else {
                    given.only(&["sample", "timestep"])?;
                }
                (module.graph(n, Extents { sample: Some(sample), tokens: None })?, inputs)
            }
            ModuleConfig::Decoder(c) => {
                given.only(&["latent"])?;
                let (n, sample, x) = given.image("latent", c.latent_channels)?;
                let graph = module.graph(n, Extents { sample: Some(sample), tokens: None })?;
                (graph, vec![(vae_decoder::LATENT, x)])
            }
        };
        Ok(Self { graph: Arc::new(graph), inputs })
    }

    /// Inputs as executors take them.
    pub fn borrowed(&self) -> Vec<(&str, &[f32])> {
        self.inputs.iter().map(|(name, x)| (*name, x.as_slice())).collect()
    }

    /// The result's extents as PyTorch has them.
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.graph.node(self.graph.output).shape.clone();
        if shape.len() == 4 {
            shape[1..].rotate_right(1);
        }
        shape
    }

    /// The graph's result as PyTorch has it.
    pub fn output(&self, values: Vec<f32>) -> Tensor {
        let shape = self.shape();
        let data = match shape.as_slice() {
            [_, c, h, w] => transposed(&values, h * w, *c),
            _ => values,
        };
        Tensor { shape, data }
    }

    /// Refuses a tensor that the result cannot be compared with.
    pub fn fits(&self, expected: &Tensor) -> Result<(), ModelError> {
        same_shape(&self.shape(), expected)
    }

    /// The evaluation on shares; all roles call it. Secret inputs are the client's: token ids and class labels as one-hot rows.
    /// The client gets the result.
    pub fn secure(&self, s: &mut Secure) -> Result<Option<Vec<f32>>, SamplingError> {
        s.begin();
        let (graph, outside) = (self.graph.clone(), self.graph.nodes.len());
        let mut given = Vec::new();
        s.enter_outside(0);
        for (name, values) in &self.inputs {
            let Some(id) = graph.input(name) else { continue };
            let node = graph.node(id);
            if node.visibility == Visibility::Public {
                given.push((*name, Input::Public(values.clone())));
                continue;
            }
            let entries = node.op.entries();
            let n = elements(&node.shape) * entries.unwrap_or(1);
            let known = match (s.ctx.role, entries) {
                (Role::Client, Some(entries)) => Some(one_hot(indices(values), entries, "token")?),
                (Role::Client, None) => Some(values.clone()),
                _ => None,
            };
            let f = s.format(id.index()).f;
            given.push((*name, Input::Shared(client_share(s, known.as_deref(), n, f)?)));
        }
        let y = s.forward(&given)?;
        s.enter_outside(1);
        let out = s.measured(outside, |s| reveal_to_client(s, &y))?;
        s.ctx.finish().map_err(ExecError::from)?;
        Ok(out)
    }
}

/// Whole numbers that were read as floats.
fn indices(values: &[f32]) -> impl ExactSizeIterator<Item = usize> {
    values.iter().map(|x| *x as usize)
}

/// Every matrix of `rows` x `columns` turned: images from channels first to channels last, or back.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for image in x.chunks_exact(rows * columns) {
        out.extend((0..columns).flat_map(|c| (0..rows).map(move |r| image[r * columns + c])));
    }
    out
}

/// What the user gives.
struct Given<'a> {
    file: &'a TensorFile,
}

impl Given<'_> {
    fn error(&self, field: &str, what: String) -> ModelError {
        ModelError::Field { file: self.file.file().into(), field: field.into(), what }
    }

    /// Refuses inputs that the module does not have.
    fn only(&self, known: &[&str]) -> Result<(), ModelError> {
        for name in self.file.names() {
            if let Some(input) = name.strip_prefix(PREFIX).filter(|input| !known.contains(input)) {
                return Err(
                    self.error(&name, format!("the module has no input {input}; it takes {}", known.join(", ")))
                );
            }
        }
        Ok(())
    }

    /// A tensor under its name or with the prefix; `None` is any extent but 0.
    fn tensor(&self, name: &str, axes: &[&str], extents: &[Option<usize>]) -> Result<Tensor, ModelError> {
        let names = self.file.names();
        let found = [format!("{PREFIX}{name}"), name.to_owned()].into_iter().find(|n| names.contains(n));
        let Some(found) = found else {
            let there: Vec<&String> = names.iter().filter(|n| !n.starts_with("act:")).collect();
            return Err(self.error(name, format!("missing, also as {PREFIX}{name}; the file holds {there:?}")));
        };
        let t = self.file.tensor(&found)?;
        let fits =
            t.shape.len() == extents.len() && t.shape.iter().zip(extents).all(|(a, b)| b.map_or(*a > 0, |b| *a == b));
        if !fits {
            let wanted: Vec<String> =
                axes.iter().zip(extents).map(|(a, e)| e.map_or_else(|| (*a).into(), |e| e.to_string())).collect();
            return Err(self.error(&found, format!("shape {:?}, expected [{}]", t.shape, wanted.join(", "))));
        }
        Ok(t)
    }

    /// Images: their number, extents, and values with channels last.
    fn image(&self, name: &str, channels: usize) -> Result<(usize, [usize; 2], Vec<f32>), ModelError> {
        let t = self.tensor(name, &["n", "c", "h", "w"], &[None, Some(channels), None, None])?;
        let [n, c, h, w] = [t.shape[0], t.shape[1], t.shape[2], t.shape[3]];
        Ok((n, [h, w], transposed(&t.data, c, h * w)))
    }

    /// The features of a step for all samples, or of one for each.
    fn time(&self, n: usize, features: impl Fn(f32) -> Vec<f32>) -> Result<Vec<f32>, ModelError> {
        let names = self.file.names();
        let scalar = names.iter().find(|name| name.strip_prefix(PREFIX).unwrap_or(name) == "timestep");
        let t = match scalar {
            Some(name) => self.file.tensor(name)?,
            None => self.tensor("timestep", &["n"], &[None])?,
        };
        let steps = match (t.shape.as_slice(), t.data.as_slice()) {
            ([] | [1], [t]) => vec![*t; n],
            ([m], data) if *m == n => data.to_vec(),
            (shape, _) => {
                return Err(self.error("timestep", format!("shape {shape:?}, expected [], [1] or [{n}]")));
            }
        };
        if let Some(t) = steps.iter().find(|t| !(0.0..1e6).contains(*t)) {
            return Err(self.error("timestep", format!("{t} is not in 0..1000000")));
        }
        Ok(steps.into_iter().flat_map(features).collect())
    }

    /// Refuses what is no index below `entries`.
    fn below(&self, name: &str, t: &Tensor, entries: usize) -> Result<(), ModelError> {
        match t.data.iter().position(|x| x.fract() != 0.0 || *x < 0.0 || *x >= entries as f32) {
            Some(at) => {
                let what = format!("{} at index {at} is no whole number below {entries}", t.data[at]);
                Err(self.error(name, what))
            }
            None => Ok(()),
        }
    }
}

fn same_shape(got: &[usize], expected: &Tensor) -> Result<(), ModelError> {
    if got == expected.shape {
        return Ok(());
    }
    Err(ModelError::Request(format!("the result has shape {got:?}, the expected tensor {:?}", expected.shape)))
}

/// How far a result is from what is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest absolute difference.
    pub largest: f64,
    /// That, divided by the largest magnitude expected.
    pub relative: f64,
    /// Mean absolute difference.
    pub mean: f64,
}

impl Difference {
    /// Of two tensors; other extents are an error.
    pub fn of(got: &Tensor, expected: &Tensor) -> Result<Self, ModelError> {
        same_shape(&got.shape, expected)?;
        let apart = || got.data.iter().zip(&expected.data).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        // A NaN must not get lost.
        let largest = apart().fold(0.0, |m: f64, d| if m.is_nan() || d <= m { m } else { d });
        let scale = expected.data.iter().fold(0.0, |m: f64, x| m.max(f64::from(x.abs())));
        let relative = if largest == 0.0 { 0.0 } else { largest / scale };
        Ok(Self { largest, relative, mean: apart().sum::<f64>() / got.data.len().max(1) as f64 })
    }
}
