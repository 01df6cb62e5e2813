//! How well an image shows what a text says: the cosine of the two in CLIP's common space
//! (<https://arxiv.org/abs/2103.00020>). Both encoders run as graphs; tensors have the names of transformers' `CLIPModel`.

use std::path::Path;

use masque_engine::graph::ops::Conv2d;
use masque_engine::graph::{Graph, GraphBuilder, GraphError, Tensor, Visibility, WeightError, WeightSpec, WeightStore};
use serde::Deserialize;

use crate::clip_text::{self, Layer};
use crate::config::{ClipConfig, text};
use crate::unet2d::check_batch;
use crate::{Checkpoint, ModelError, Prompt, Tokenizer};

/// Name of the image encoder's input `[n, image_size, image_size, 3]`: normalised images.
pub const IMAGES: &str = "images";
/// Name of its input `[n, hidden_size]`: the token that becomes the image's, once for each image.
pub const CLASS: &str = "class";
/// Name of the text projection's input `[n, hidden_size]`: the tokens that end the prompts.
pub const ENDS: &str = "ends";

const CLASS_EMBEDDING: &str = "vision_model.embeddings.class_embedding";
const PATCHES: &str = "vision_model.embeddings.patch_embedding";
/// OpenAI's, where no `preprocessor_config.json` says otherwise.
const MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION: [f32; 3] = [0.26862954, 0.2613026, 0.2757771];

/// An opened model, itself the store of its weights.
#[derive(Debug)]
pub struct ClipModel {
    /// Configuration.
    pub config: ClipConfig,
    /// Means of the channels, of values from 0 to 1.
    pub mean: [f32; 3],
    /// Deviations of the channels.
    pub deviation: [f32; 3],
    weights: Checkpoint,
    tokenizer: Tokenizer,
}

#[derive(Default, Deserialize)]
struct Preprocessor {
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

impl ClipModel {
    /// Opens a folder as transformers writes it: `config.json`, `model.safetensors` (or an index), `vocab.json`,
    /// `merges.txt`, and `preprocessor_config.json` if it is there. Weights are checked down to each number.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let config = ClipConfig::read(folder.join("config.json"))?;
        let weights = Checkpoint::open_in(folder, "model")?;
        let others = ["logit_scale", "text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"];
        weights.check_part(&specs(&config)?, &others)?;
        let tokenizer = Tokenizer::open(folder, config.text.max_position_embeddings, config.text.vocab_size)?;
        let file = folder.join("preprocessor_config.json");
        let said: Preprocessor = match file.is_file() {
            true => serde_json::from_str(&text(&file)?)
                .map_err(|e| ModelError::Json { file: file.display().to_string(), what: e.to_string() })?,
            false => Preprocessor::default(),
        };
        let (mean, deviation) = (said.image_mean.unwrap_or(MEAN), said.image_std.unwrap_or(DEVIATION));
        Ok(Self { config, mean, deviation, weights, tokenizer })
    }

    /// A prompt as tokens, and which of them ends it.
    pub fn tokens(&self, prompt: &str) -> Result<(Prompt, usize), ModelError> {
        let prompt = self.tokenizer.encode(prompt)?;
        let end = self.tokenizer.end_of(&prompt);
        Ok((prompt, end))
    }

    /// The image encoder's token [`CLASS`].
    pub fn class(&self) -> Result<Vec<f32>, ModelError> {
        Ok(self.weights.tensor(CLASS_EMBEDDING)?.data)
    }
}

/// The tensors that are read.
fn specs(config: &ClipConfig) -> Result<Vec<WeightSpec>, ModelError> {
    let mut all = text_graph(config, 1)?.weights();
    all.extend(projection_graph(config, 1)?.weights());
    all.extend(vision_graph(config, 1)?.weights().into_iter().filter(|w| w.name != format!("{PATCHES}.bias")));
    all.push(WeightSpec { name: CLASS_EMBEDDING.into(), shape: vec![config.vision.hidden_size] });
    Ok(all)
}

/// The text encoder for `n` prompts: `[n, tokens, hidden_size]`; its input is [`clip_text::TOKENS`].
pub fn text_graph(config: &ClipConfig, n: usize) -> Result<Graph, ModelError> {
    clip_text::graph(&config.text, n, config.text.max_position_embeddings)
}

/// From the tokens that end `n` prompts into the common space.
pub fn projection_graph(config: &ClipConfig, n: usize) -> Result<Graph, ModelError> {
    check_batch(n)?;
    let mut g = GraphBuilder::new("clip_text_projection");
    let ends = g.input(ENDS, &[n, config.text.hidden_size], Visibility::Public)?;
    let out = g.linear("text_projection", ends, config.projection_dim, false)?;
    Ok(g.finish(out))
}

/// From `n` images into the common space.
pub fn vision_graph(config: &ClipConfig, n: usize) -> Result<Graph, ModelError> {
    check_batch(n)?;
    Ok(vision(config, n)?)
}

fn vision(config: &ClipConfig, n: usize) -> Result<Graph, GraphError> {
    let c = &config.vision;
    let (width, side, kernel) = (c.hidden_size, c.image_size / c.patch_size, c.patch_size);
    let tokens = side * side + 1;
    let at = |name: &str| format!("vision_model.{name}");
    let mut g = GraphBuilder::new("clip_vision");
    let images = g.input(IMAGES, &[n, c.image_size, c.image_size, 3], Visibility::Public)?;
    let class = g.input(CLASS, &[n, width], Visibility::Public)?;
    let patches =
        Conv2d { path: PATCHES.into(), inputs: 3, outputs: width, kernel, stride: kernel, pad: 0, pad_after: 0 };
    let x = g.conv2d(PATCHES, images, patches)?;
    let x = g.reshape("patches", x, &[n, side * side * width])?;
    let x = g.concat("tokens.row", class, x)?;
    let x = g.reshape("tokens", x, &[n, tokens, width])?;
    let x = g.position_embedding(&at("embeddings.position_embedding"), x, tokens)?;
    // The name is transformers'.
    let mut x = g.layer_norm(&at("pre_layrnorm"), x, c.layer_norm_eps)?;
    let layer = Layer {
        width,
        inner: c.intermediate_size,
        heads: c.num_attention_heads,
        act: c.hidden_act,
        eps: c.layer_norm_eps,
        causal: false,
    };
    for i in 0..c.num_hidden_layers {
        x = layer.build(&mut g, &at(&format!("encoder.layers.{i}")), x)?;
    }
    let x = g.reshape("encoded", x, &[n, tokens * width])?;
    let x = g.slice("pooled", x, 0, width)?;
    let x = g.layer_norm(&at("post_layernorm"), x, c.layer_norm_eps)?;
    let out = g.linear("visual_projection", x, config.projection_dim, false)?;
    Ok(g.finish(out))
}

impl WeightStore for ClipModel {
    /// Patches are embedded without a bias.
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        if name == format!("{PATCHES}.bias") {
            let n = self.config.vision.hidden_size;
            return Ok(Tensor { shape: vec![n], data: vec![0.0; n] });
        }
        self.weights.tensor(name)
    }

    fn digest(&self) -> [u8; 32] {
        self.weights.digest()
    }
}

/// Cosines of rows of two lists of vectors of that width.
pub fn cosines(a: &[f32], b: &[f32], width: usize) -> Vec<f64> {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let rows = a.chunks_exact(width.max(1)).zip(b.chunks_exact(width.max(1)));
    rows.map(|(x, y)| dot(x, y) / (dot(x, x) * dot(y, y)).sqrt().max(f64::MIN_POSITIVE)).collect()
}
