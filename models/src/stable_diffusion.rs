//! A text-to-image model: one folder as diffusers' `StableDiffusionPipeline` writes it.

use std::path::Path;
use std::sync::Arc;

use masque_engine::graph::Graph;
use serde_json::Value;

use crate::config::{ClipTextConfig, Fields, SchedulerConfig, UNet2dConditionConfig, VaeConfig};
use crate::vae_decoder::Latent;
use crate::{Checkpoint, ModelError, ModuleConfig, Tokenizer, clip_text, unet2d_condition, vae_decoder};

/// What all roles know of a text-to-image model: its networks and its sampler, no weights.
#[derive(Clone, Debug, PartialEq)]
pub struct StableDiffusionConfig {
    /// From token ids to the condition.
    pub text: ClipTextConfig,
    /// From noisy latent and condition to the noise.
    pub unet: UNet2dConditionConfig,
    /// From latent to image.
    pub vae: VaeConfig,
    /// The sampler.
    pub scheduler: SchedulerConfig,
}

/// A network of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// From token ids to the condition.
    TextEncoder,
    /// From noisy latent and condition to the noise.
    Unet,
    /// From latent to image.
    Vae,
}

impl Module {
    /// All, in the order in which they run.
    pub const ALL: [Module; 3] = [Module::TextEncoder, Module::Unet, Module::Vae];

    /// Its folder's name, which is also its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextEncoder => "text_encoder",
            Self::Unet => "unet",
            Self::Vae => "vae",
        }
    }
}

impl StableDiffusionConfig {
    /// The files of a folder that describe networks and sampler.
    pub const FILES: [&str; 4] =
        ["text_encoder/config.json", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"];

    /// Reads `model_index.json` and the configurations it stands for, and checks that they fit together.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        index(&folder.join("model_index.json"))?;
        let [text, unet, vae, scheduler] = Self::FILES.map(|name| folder.join(name));
        Self {
            text: ClipTextConfig::read(text)?,
            unet: UNet2dConditionConfig::read(unet)?,
            vae: VaeConfig::read(vae)?,
            scheduler: SchedulerConfig::read(scheduler)?,
        }
        .checked()
        .map_err(|e| ModelError::Json { file: folder.display().to_string(), what: e.to_string() })
    }

    /// As [`StableDiffusionConfig::read`], from the texts of [`StableDiffusionConfig::FILES`].
    pub fn parse(texts: [&str; 4]) -> Result<Self, ModelError> {
        let [text, unet, vae, scheduler] = Self::FILES;
        Self {
            text: ClipTextConfig::parse(text, texts[0])?,
            unet: UNet2dConditionConfig::parse(unet, texts[1])?,
            vae: VaeConfig::parse(vae, texts[2])?,
            scheduler: SchedulerConfig::parse(scheduler, texts[3])?,
        }
        .checked()
    }

    /// Opens a network's weights in a pipeline's folder and checks them, down to each number.
    pub fn weights(&self, folder: impl AsRef<Path>, module: Module) -> Result<Checkpoint, ModelError> {
        self.network(module).weights(folder.as_ref().join(module.name()))
    }

    /// A network's configuration by itself.
    pub fn network(&self, module: Module) -> ModuleConfig {
        match module {
            Module::TextEncoder => ModuleConfig::Text(self.text.clone()),
            Module::Unet => ModuleConfig::Unet(self.unet.clone()),
            Module::Vae => ModuleConfig::Decoder(self.vae.clone()),
        }
    }

    /// Opens the tokenizer in a pipeline's folder.
    pub fn tokenizer(&self, folder: impl AsRef<Path>) -> Result<Tokenizer, ModelError> {
        Tokenizer::open(folder.as_ref().join("tokenizer"), self.tokens(), self.text.vocab_size)
    }

    /// Refuses parts that do not fit together.
    pub fn checked(self) -> Result<Self, ModelError> {
        let pairs = [
            (
                "unet cross_attention_dim",
                self.unet.cross_attention_dim,
                "text_encoder hidden_size",
                self.text.hidden_size,
            ),
            ("unet in_channels", self.unet.in_channels, "vae latent_channels", self.vae.latent_channels),
            ("unet out_channels", self.unet.out_channels, "vae latent_channels", self.vae.latent_channels),
        ];
        for (a, x, b, y) in pairs {
            if x != y {
                return Err(ModelError::Request(format!("{a} is {x}, but {b} is {y}")));
            }
        }
        Ok(self)
    }

    /// Tokens of every prompt.
    pub fn tokens(&self) -> usize {
        self.text.max_position_embeddings
    }

    /// Elements of one prompt's condition.
    pub fn context_len(&self) -> usize {
        self.tokens() * self.unet.cross_attention_dim
    }

    /// Elements of one latent.
    pub fn latent_len(&self) -> usize {
        self.unet.sample_size.iter().product::<usize>() * self.unet.in_channels
    }

    /// Height and width of the images.
    pub fn image_size(&self) -> [usize; 2] {
        self.unet.sample_size.map(|n| self.vae.extent(n))
    }

    /// The text encoder for `n` prompts.
    pub fn text_graph(&self, n: usize) -> Result<Graph, ModelError> {
        clip_text::graph(&self.text, n, self.tokens())
    }

    /// One evaluation of the network for `n` latents.
    pub fn unet_graph(&self, n: usize) -> Result<Graph, ModelError> {
        unet2d_condition::graph(&self.unet, n, self.unet.sample_size, self.tokens())
    }

    /// The decoder for `n` latents as the diffusion makes them.
    pub fn vae_graph(&self, n: usize) -> Result<Graph, ModelError> {
        vae_decoder::graph(&self.vae, n, self.unet.sample_size, Latent::Diffusion)
    }

    /// The network's input `time_features` for `n` latents at step `t`.
    pub fn time_features(&self, t: u32, n: usize) -> Vec<f32> {
        let c = &self.unet;
        unet2d_condition::timestep_features(t as f32, c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift)
            .repeat(n)
    }
}

/// An opened model whose weights are known to fit its networks.
#[derive(Debug)]
pub struct StableDiffusion {
    /// Networks and sampler.
    pub config: StableDiffusionConfig,
    /// From text to token ids.
    pub tokenizer: Tokenizer,
    /// Weights of the text encoder.
    pub text: Arc<Checkpoint>,
    /// Weights of the network.
    pub unet: Arc<Checkpoint>,
    /// Weights of the decoder.
    pub vae: Arc<Checkpoint>,
}

impl StableDiffusion {
    /// Reads a folder and checks everything in it, the weights down to each number.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let config = StableDiffusionConfig::read(folder)?;
        let tokenizer = config.tokenizer(folder)?;
        let [text, unet, vae] = Module::ALL.map(|module| config.weights(folder, module));
        Ok(Self { text: Arc::new(text?), unet: Arc::new(unet?), vae: Arc::new(vae?), config, tokenizer })
    }

    /// A network's weights.
    pub fn weights(&self, module: Module) -> &Arc<Checkpoint> {
        match module {
            Module::TextEncoder => &self.text,
            Module::Unet => &self.unet,
            Module::Vae => &self.vae,
        }
    }
}

/// Checks `model_index.json`: which classes the parts have. Parts that make no image are not looked at.
fn index(path: &Path) -> Result<(), ModelError> {
    let mut f = Fields::read(path)?;
    f.only("_class_name", "StableDiffusionPipeline")?;
    f.ignore(&["feature_extractor", "image_encoder", "requires_safety_checker", "safety_checker"]);
    let parts: [(&str, &[&str]); 5] = [
        ("scheduler", &[]),
        ("text_encoder", &["CLIPTextModel"]),
        ("tokenizer", &["CLIPTokenizer", "CLIPTokenizerFast"]),
        ("unet", &["UNet2DConditionModel"]),
        ("vae", &["AutoencoderKL"]),
    ];
    for (part, classes) in parts {
        let value: Vec<Value> = f.required(part)?;
        let class = value.get(1).and_then(Value::as_str).unwrap_or("null");
        // The scheduler's own file says whether it is supported.
        if !classes.is_empty() && !classes.contains(&class) {
            return Err(f.error(part, format!("{class} is not supported, only {}", classes.join(", "))));
        }
    }
    f.finish()
}
