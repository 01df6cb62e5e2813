//! One network by itself: whichever class its `config.json` says, its weights, and its graph at any size.

use std::path::Path;

use masque_engine::approx::Approx;
use masque_engine::exec::{Plan, PlanConfig, PlanError};
use masque_engine::graph::{Graph, WeightSpec};
use masque_engine::protocol::RowMaximum;
use serde_json::Value;

use crate::config::{Fields, text};
use crate::vae_decoder::Latent;
use crate::{
    Checkpoint, ClipTextConfig, ModelError, Module, SchedulerConfig, StableDiffusionConfig, UNet2dConditionConfig,
    UNet2dConfig, VaeConfig, clip_text, unet2d, unet2d_condition, vae_decoder,
};

/// A network's configuration, whichever its class.
#[derive(Clone, Debug, PartialEq)]
pub enum ModuleConfig {
    /// `CLIPTextModel`.
    Text(ClipTextConfig),
    /// `UNet2DModel`.
    ClassUnet(UNet2dConfig),
    /// `UNet2DConditionModel`.
    Unet(UNet2dConditionConfig),
    /// The decoder of an `AutoencoderKL`.
    Decoder(VaeConfig),
}

/// Sizes that a configuration leaves open; `None` is what the network was trained for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    /// Height and width of the sample or latent.
    pub sample: Option<[usize; 2]>,
    /// Tokens of the prompt or condition.
    pub tokens: Option<usize>,
}

/// Latent of a decoder whose configuration does not say it: Stable Diffusion's.
const LATENT: usize = 64;
/// Parts of an autoencoder that are not used.
const ENCODER: [&str; 2] = ["encoder.", "quant_conv."];
/// A buffer that older text encoders store.
const POSITIONS: [&str; 1] = ["text_model.embeddings.position_ids"];
/// Tokens of a condition, where no text encoder says it: Stable Diffusion's.
const TOKENS: usize = 77;

impl ModuleConfig {
    /// Reads the `config.json` of a module's folder.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let path = folder.join("config.json");
        if !path.is_file() && folder.join("model_index.json").is_file() {
            let file = folder.display().to_string();
            let what = "a pipeline of several modules; name the folder of one, such as its unet, vae or text_encoder";
            return Err(ModelError::Json { file, what: what.into() });
        }
        Self::parse(&path.display().to_string(), &text(&path)?)
    }

    /// Checks the text of a `config.json`; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        let field = |v: Option<Value>| v.and_then(|v| v.as_str().map(str::to_owned));
        let architecture: Option<Vec<String>> = f.or("architectures", None)?;
        let named = [field(f.or("_class_name", None)?), field(f.or("class", None)?)];
        let class = named.into_iter().flatten().next().or(architecture.and_then(|a| a.into_iter().next()));
        let class = class.ok_or_else(|| f.error("_class_name", "missing: which class of network is it?"))?;
        Ok(match class.as_str() {
            "CLIPTextModel" => Self::Text(ClipTextConfig::parse(name, text)?),
            "UNet2DModel" => Self::ClassUnet(UNet2dConfig::parse(name, text)?),
            "UNet2DConditionModel" => Self::Unet(UNet2dConditionConfig::parse(name, text)?),
            "AutoencoderKL" => Self::Decoder(VaeConfig::parse(name, text)?),
            other => {
                let known = "CLIPTextModel, UNet2DModel, UNet2DConditionModel, AutoencoderKL";
                return Err(f.error("_class_name", format!("{other:?} is not supported, only {known}")));
            }
        })
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text encoder",
            Self::ClassUnet(_) => "class-conditional UNet",
            Self::Unet(_) => "conditional UNet",
            Self::Decoder(_) => "VAE decoder",
        }
    }

    /// One evaluation for `n` samples. The decoder takes latents as diffusers' `decode` does.
    pub fn graph(&self, n: usize, extents: Extents) -> Result<Graph, ModelError> {
        let tokens = extents.tokens;
        match self {
            Self::Text(c) => clip_text::graph(c, n, tokens.unwrap_or(c.max_position_embeddings)),
            Self::ClassUnet(c) => {
                let [h, w] = extents.sample.unwrap_or(c.sample_size);
                let halved = 1 << (c.block_out_channels.len() - 1);
                if h == 0 || w == 0 || !h.is_multiple_of(halved) || !w.is_multiple_of(halved) {
                    let what = format!("a sample of {h}x{w}: both extents must be multiples of {halved}");
                    return Err(ModelError::Request(what));
                }
                unet2d::graph(&UNet2dConfig { sample_size: [h, w], ..c.clone() }, n)
            }
            Self::Unet(c) => {
                unet2d_condition::graph(c, n, extents.sample.unwrap_or(c.sample_size), tokens.unwrap_or(TOKENS))
            }
            Self::Decoder(c) => vae_decoder::graph(c, n, extents.sample.unwrap_or([LATENT; 2]), Latent::Decoder),
        }
    }

    /// The fixed-point plan of its graph.
    pub fn plan(&self, graph: &Graph, approx: Approx) -> Result<Plan, PlanError> {
        self.plan_with(graph, approx, RowMaximum::Secure)
    }

    /// The same with another way to the maxima of attention's rows.
    pub fn plan_with(&self, graph: &Graph, approx: Approx, maximum: RowMaximum) -> Result<Plan, PlanError> {
        let usual = PlanConfig { approx, maximum, ..PlanConfig::default() };
        match self {
            Self::Text(c) => c.fixed_point.plan(graph, PlanConfig { maximum, ..clip_text::plan(approx) }),
            Self::ClassUnet(c) => c.fixed_point.plan(graph, usual),
            Self::Unet(c) => c.fixed_point.plan(graph, usual),
            Self::Decoder(c) => c.fixed_point.plan(graph, usual),
        }
    }

    /// Stems of its weight files: diffusers' or transformers' first.
    fn stems(&self) -> [&'static str; 2] {
        match self {
            Self::Text(_) => ["model", "model"],
            _ => ["diffusion_pytorch_model", "model"],
        }
    }

    /// Name of the weight file in its folder.
    pub fn weight_file(&self) -> String {
        format!("{}.safetensors", self.stems()[0])
    }

    /// The weights' names and extents; they do not depend on sizes.
    pub fn specs(&self) -> Result<Vec<WeightSpec>, ModelError> {
        // The smallest sample: no weight depends on it.
        let least = match self {
            Self::ClassUnet(c) => 1 << (c.block_out_channels.len() - 1),
            Self::Unet(c) => 1 << (c.block_out_channels.len() - 1),
            _ => 1,
        };
        Ok(self.graph(1, Extents { sample: Some([least; 2]), tokens: Some(1) })?.weights())
    }

    /// Opens the weights in a folder and checks them, down to each number.
    pub fn weights(&self, folder: impl AsRef<Path>) -> Result<Checkpoint, ModelError> {
        let folder = folder.as_ref();
        let [usual, other] = self.stems();
        let exists = |stem: &str| folder.join(format!("{stem}.safetensors")).is_file();
        let stem = if usual != other && exists(other) && !exists(usual) { other } else { usual };
        let file = Checkpoint::open_in(folder, stem)?;
        let (file, unused): (_, &[&str]) = match self {
            Self::Text(_) => (file.renamed(text_name), &POSITIONS),
            Self::Decoder(_) => (file.renamed(vae_name), &ENCODER),
            _ => (file, &[]),
        };
        file.check_part(&self.specs()?, unused)?;
        Ok(file)
    }
}

/// Recent versions of transformers leave the prefix out.
fn text_name(name: &str) -> Option<String> {
    (!name.starts_with(clip_text::PREFIX)).then(|| format!("{}{name}", clip_text::PREFIX))
}

/// Early versions of diffusers called the layers of the decoder's attention otherwise.
fn vae_name(name: &str) -> Option<String> {
    let (block, layer) = name.split_once(".attentions.0.")?;
    let (layer, kind) = layer.rsplit_once('.')?;
    let layer = match layer {
        "query" => "to_q",
        "key" => "to_k",
        "value" => "to_v",
        "proj_attn" => "to_out.0",
        _ => return None,
    };
    Some(format!("{block}.attentions.0.{layer}.{kind}"))
}

/// A module of a model's folder.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its folder's name; empty if the module is the folder itself.
    pub name: &'static str,
    /// Its configuration.
    pub config: ModuleConfig,
    /// Sizes that the model's other parts decide.
    pub extents: Extents,
}

/// The modules of a folder in the order in which they run: of a text-to-image pipeline, of a class-conditional model, or the
/// module that the folder is. Reads configurations only.
pub fn networks(folder: impl AsRef<Path>) -> Result<Vec<Network>, ModelError> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        let file = folder.display().to_string();
        return Err(ModelError::Json {
            file,
            what: "no such folder; name that of a model or of one of its modules".into(),
        });
    }
    if folder.join("config.json").is_file() {
        return Ok(vec![Network { name: "", config: ModuleConfig::read(folder)?, extents: Extents::default() }]);
    }
    let unet = folder.join("unet");
    let class_model = unet.join("config.json").is_file() && {
        let path = unet.join("config.json");
        let mut f = Fields::read(&path)?;
        let class: Option<Value> = f.or("_class_name", None)?;
        class.is_some_and(|c| c == "UNet2DModel")
    };
    if class_model {
        let config = ModuleConfig::read(unet)?;
        SchedulerConfig::read(folder.join("scheduler/scheduler_config.json"))?;
        return Ok(vec![Network { name: "unet", config, extents: Extents::default() }]);
    }
    if !folder.join("unet/config.json").is_file() && !folder.join("model_index.json").is_file() {
        let file = folder.display().to_string();
        let what = "no model: neither config.json, nor model_index.json, nor unet/config.json is in it";
        return Err(ModelError::Json { file, what: what.into() });
    }
    Ok(StableDiffusionConfig::read(folder)?.networks())
}

impl StableDiffusionConfig {
    /// The networks in the order in which they run.
    pub fn networks(&self) -> Vec<Network> {
        let extents = Extents { sample: Some(self.unet.sample_size), tokens: Some(self.tokens()) };
        Module::ALL.map(|m| Network { name: m.name(), config: self.network(m), extents }).into()
    }
}
