//! Plaintext sampling for experiments: any shipped kind of model in batches, with the guidance of the paper, with the methods
//! it is compared with, and with functions chosen one by one.
//!
//! [`Subject`] is a model on a device, [`Settings`] says how it samples, [`Subject::sample`] walks the sampler.

mod network;
mod steering;
mod walk;

use std::path::Path;
use std::sync::Arc;

use masque_engine::functions::Functions;
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};
use sha2::{Digest, Sha256};

use network::Network;
pub use steering::{Steering, Verifier};
pub use walk::{Chain, Method, Settings};

use crate::config::{Fields, SchedulerConfig};
use crate::sampling::{SamplingError, clip};
use crate::{ClassModel, Clip, ModelError, Origin, Prompt, StableDiffusion, clip_text, initial_noise, unet2d};
use crate::{unet2d_condition, vae_decoder};

/// Latents decoded, or prompts encoded, at once on a device.
const TOGETHER: usize = 32;

/// What an image is asked to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A class of a class-conditional model.
    Class(usize),
    /// A prompt of a text-to-image model.
    Text(String),
}

impl Wish {
    /// The prompt, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(prompt) => Some(prompt),
            Self::Class(_) => None,
        }
    }
}

/// A model on one device or several, for experiments in plaintext.
pub struct Subject {
    gpus: Vec<Arc<Gpu>>,
    kind: Kind,
}

enum Kind {
    Class(Arc<ClassModel>),
    Text(Box<StableDiffusion>),
}

impl Subject {
    /// Opens a folder in diffusers' layout: a text-to-image pipeline where it has a `model_index.json` that says so, else a
    /// class-conditional model. The devices, at least one, compute at the same time, each its part of the samples.
    pub fn open(gpus: Vec<Arc<Gpu>>, folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let kind = if is_text_model(folder)? {
            Kind::Text(Box::new(StableDiffusion::open(folder)?))
        } else {
            let model = ClassModel::open(folder)?;
            if model.config.num_class_embeds.is_none_or(|n| n < 2) {
                return Err(ModelError::Request(format!("{}: the model has no classes", folder.display())));
            }
            Kind::Class(Arc::new(model))
        };
        Ok(Self { gpus, kind })
    }

    /// The first device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpus[0]
    }

    /// Classes that can be asked for; `None` where wishes are prompts.
    pub fn classes(&self) -> Option<usize> {
        match &self.kind {
            // The last embedding stands for no condition.
            Kind::Class(m) => m.config.num_class_embeds.map(|n| n - 1),
            Kind::Text(_) => None,
        }
    }

    /// Height, width and channels of an image.
    pub fn extents(&self) -> [usize; 3] {
        match &self.kind {
            Kind::Class(m) => [m.config.sample_size[0], m.config.sample_size[1], m.config.out_channels],
            Kind::Text(m) => {
                let [h, w] = m.config.image_size();
                [h, w, m.config.vae.out_channels]
            }
        }
    }

    /// SHA-256 of all weights.
    pub fn digest(&self) -> [u8; 32] {
        match &self.kind {
            Kind::Class(m) => m.digest(),
            Kind::Text(m) => {
                let parts = [&m.text, &m.unet, &m.vae].map(|w| w.digest());
                Sha256::digest(parts.concat()).into()
            }
        }
    }

    pub(crate) fn scheduler(&self) -> &SchedulerConfig {
        match &self.kind {
            Kind::Class(m) => &m.scheduler,
            Kind::Text(m) => &m.config.scheduler,
        }
    }

    fn clip(&self) -> Clip {
        match &self.kind {
            Kind::Class(m) => clip(&m.scheduler),
            Kind::Text(m) => Clip::of(&m.config.scheduler),
        }
    }

    /// Elements of a sample: of an image, or of a latent.
    fn sample_len(&self) -> usize {
        match &self.kind {
            Kind::Class(m) => m.image_len(),
            Kind::Text(m) => m.config.latent_len(),
        }
    }

    fn start(&self, origins: &[Origin]) -> Vec<f32> {
        origins.iter().flat_map(|o| initial_noise(o.seed, o.image, self.sample_len())).collect()
    }

    fn time_features(&self, t: u32, n: usize) -> Vec<f32> {
        match &self.kind {
            Kind::Class(m) => m.time_features(t, n),
            Kind::Text(m) => m.config.time_features(t, n),
        }
    }

    /// The network for `n` samples; with `identity` the attention maps of that block are identities.
    fn network(&self, n: usize, functions: &Functions, identity: Option<&str>) -> Result<Network, SamplingError> {
        let graph = |n: usize| -> Result<Graph, ModelError> {
            match (&self.kind, identity) {
                (Kind::Class(m), None) => m.graph(n),
                (Kind::Class(m), Some(block)) => unet2d::perturbed(&m.config, n, block),
                (Kind::Text(m), None) => m.config.unet_graph(n),
                (Kind::Text(m), Some(block)) => {
                    let (size, tokens) = (m.config.unet.sample_size, m.config.tokens());
                    unet2d_condition::perturbed(&m.config.unet, n, size, tokens, block)
                }
            }
        };
        let weights: Arc<dyn WeightStore> = match &self.kind {
            Kind::Class(m) => m.clone(),
            Kind::Text(m) => m.unet.clone(),
        };
        Ok(Network::new(&self.gpus, n, graph, &weights, functions)?)
    }

    /// Samples that one run of a text encoder or decoder takes.
    fn together(&self) -> usize {
        TOGETHER * self.gpus.len()
    }

    fn condition_input(&self) -> &'static str {
        match &self.kind {
            Kind::Class(..) => unet2d::CLASS,
            Kind::Text(_) => unet2d_condition::CONTEXT,
        }
    }

    /// Conditions of wishes, one after the other.
    pub fn conditions(&self, wishes: &[Wish], functions: &Functions) -> Result<Vec<f32>, SamplingError> {
        let wrong = || ModelError::Request("a class-conditional model takes classes, any other prompts".into());
        match &self.kind {
            Kind::Class(m) => {
                let label = |w: &Wish| if let Wish::Class(c) = w { Ok(*c) } else { Err(wrong()) };
                Ok(m.one_hot(&wishes.iter().map(label).collect::<Result<Vec<_>, _>>()?)?)
            }
            Kind::Text(m) => {
                let prompt = |w: &Wish| match w {
                    Wish::Text(text) => m.tokenizer.encode(text),
                    Wish::Class(_) => Err(wrong()),
                };
                let prompts = wishes.iter().map(prompt).collect::<Result<Vec<_>, _>>()?;
                let mut rows = Vec::new();
                let weights: Arc<dyn WeightStore> = m.text.clone();
                for some in prompts.chunks(self.together()) {
                    let ids: Vec<f32> = some.iter().flat_map(Prompt::indices).collect();
                    let graph = |n| m.config.text_graph(n);
                    let mut text = Network::new(&self.gpus, some.len(), graph, &weights, functions)?;
                    rows.extend(text.run(&[(clip_text::TOKENS, &ids)])?);
                }
                Ok(rows)
            }
        }
    }

    /// The condition that stands for none: the class of that meaning, or the empty prompt.
    pub fn unconditional(&self, functions: &Functions) -> Result<Vec<f32>, SamplingError> {
        let wish = match self.classes() {
            Some(classes) => Wish::Class(classes),
            None => Wish::Text(String::new()),
        };
        self.conditions(&[wish], functions)
    }

    /// Images `[n, h, w, c]` of samples: themselves, or decoded latents.
    pub fn images(&self, samples: Vec<f32>, functions: &Functions) -> Result<Vec<f32>, SamplingError> {
        let Kind::Text(m) = &self.kind else { return Ok(samples) };
        let mut images = Vec::new();
        let weights: Arc<dyn WeightStore> = m.vae.clone();
        for some in samples.chunks(self.together() * self.sample_len()) {
            let (n, graph) = (some.len() / self.sample_len(), |n| m.config.vae_graph(n));
            let mut vae = Network::new(&self.gpus, n, graph, &weights, functions)?;
            images.extend(vae.run(&[(vae_decoder::LATENT, some)])?);
        }
        Ok(images)
    }
}

fn is_text_model(folder: &Path) -> Result<bool, ModelError> {
    let index = folder.join("model_index.json");
    if !index.is_file() {
        return Ok(false);
    }
    let class: Option<String> = Fields::read(&index)?.or("_class_name", None)?;
    Ok(class.as_deref() == Some("StableDiffusionPipeline"))
}
