//! `text_encoder/config.json` of transformers' `CLIPTextModel`.

use std::path::Path;

use masque_engine::graph::ops::Function;
use serde_json::Value;

use super::unet2d::CHANNELS;
use super::{Fields, FixedPoint};
use crate::ModelError;

const ACTIVATIONS: [(&str, Function); 2] = [("quick_gelu", Function::QuickGelu), ("gelu", Function::Gelu)];

/// What the encoders of text and of images have in common.
pub(super) struct Transformer {
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) hidden_act: Function,
    pub(super) layer_norm_eps: f32,
}

impl Transformer {
    /// Takes and checks these fields; width, inner width and heads are those where the file says nothing of them.
    pub(super) fn take(f: &mut Fields, width: usize, inner: usize, heads: usize) -> Result<Self, ModelError> {
        let config = Self {
            hidden_size: f.number("hidden_size", width, 1, CHANNELS)?,
            intermediate_size: f.number("intermediate_size", inner, 1, 4 * CHANNELS)?,
            num_hidden_layers: f.number("num_hidden_layers", 12, 1, 256)?,
            num_attention_heads: f.number("num_attention_heads", heads, 1, CHANNELS)?,
            hidden_act: f.choice("hidden_act", Function::QuickGelu, &ACTIVATIONS)?,
            layer_norm_eps: f.or("layer_norm_eps", 1e-5)?,
        };
        let Self { hidden_size, num_attention_heads, layer_norm_eps, .. } = config;
        if !hidden_size.is_multiple_of(num_attention_heads) {
            let what = format!("{num_attention_heads} heads do not divide width {hidden_size}");
            return Err(f.error("num_attention_heads", what));
        }
        if !(layer_norm_eps > 0.0 && layer_norm_eps < 1.0) {
            return Err(f.error("layer_norm_eps", format!("{layer_norm_eps} is not between 0 and 1")));
        }
        Ok(config)
    }
}

/// A `CLIPTextModel`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipTextConfig {
    /// Entries of the token table.
    pub vocab_size: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside of the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads; divides the width.
    pub num_attention_heads: usize,
    /// Most tokens of a prompt, start and end included.
    pub max_position_embeddings: usize,
    /// Non-linearity of the feed-forward layers.
    pub hidden_act: Function,
    /// Added to variances.
    pub layer_norm_eps: f32,
    /// Settings of the fixed-point plan that differ from the usual.
    pub fixed_point: FixedPoint,
}

impl ClipTextConfig {
    /// Reads and checks a `config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("class", "CLIPTextModel")?;
        f.only("architectures", Value::from(vec!["CLIPTextModel"]))?;
        f.only("model_type", "clip_text_model")?;
        // Training, storage, and special tokens: the tokenizer knows those better.
        f.ignore(&["tag", "attention_dropout", "dropout", "initializer_factor", "initializer_range", "projection_dim"]);
        f.ignore(&["dtype", "torch_dtype", "transformers_version", "bos_token_id", "eos_token_id", "pad_token_id"]);
        let t = Transformer::take(&mut f, 512, 2048, 8)?;
        let config = Self {
            fixed_point: FixedPoint::take(&mut f)?,
            vocab_size: f.number("vocab_size", 49408, 2, 1 << 24)?,
            hidden_size: t.hidden_size,
            intermediate_size: t.intermediate_size,
            num_hidden_layers: t.num_hidden_layers,
            num_attention_heads: t.num_attention_heads,
            max_position_embeddings: f.number("max_position_embeddings", 77, 2, 4096)?,
            hidden_act: t.hidden_act,
            layer_norm_eps: t.layer_norm_eps,
        };
        f.finish()?;
        Ok(config)
    }
}
