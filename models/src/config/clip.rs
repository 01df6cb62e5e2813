//! `config.json` of transformers' `CLIPModel`: a text and an image encoder with projections into one space.

use std::path::Path;

use masque_engine::graph::ops::Function;
use serde_json::{Map, Value};

use super::clip_text::Transformer;
use super::unet2d::CHANNELS;
use super::{ClipTextConfig, Fields};
use crate::ModelError;

/// The image encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipVisionConfig {
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside of the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads; divides the width.
    pub num_attention_heads: usize,
    /// Rows and columns of an image; a multiple of the patch's.
    pub image_size: usize,
    /// Rows and columns of a patch.
    pub patch_size: usize,
    /// Non-linearity of the feed-forward layers.
    pub hidden_act: Function,
    /// Added to variances.
    pub layer_norm_eps: f32,
}

/// A `CLIPModel`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// The text encoder.
    pub text: ClipTextConfig,
    /// The image encoder.
    pub vision: ClipVisionConfig,
    /// Width of the common space.
    pub projection_dim: usize,
}

/// What decides a text encoder's network. Files of published models repeat some fifty general settings of transformers there,
/// none of which changes its result.
const TEXT: [&str; 8] = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
];

impl ClipConfig {
    /// Reads and checks a `config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("model_type", "clip")?;
        let part = |f: &mut Fields, field: &str| -> Result<(String, Map<String, Value>), ModelError> {
            Ok((format!("{name}: {field}"), f.required(field)?))
        };
        let (at, fields) = part(&mut f, "text_config")?;
        let known: Map<String, Value> = fields.into_iter().filter(|(k, _)| TEXT.contains(&k.as_str())).collect();
        let text = ClipTextConfig::parse(&at, &Value::Object(known).to_string())?;
        let (at, fields) = part(&mut f, "vision_config")?;
        let vision = vision(Fields { file: at, map: fields })?;
        Ok(Self { text, vision, projection_dim: f.number("projection_dim", 512, 1, CHANNELS)? })
    }
}

fn vision(mut f: Fields) -> Result<ClipVisionConfig, ModelError> {
    f.only("num_channels", 3)?;
    let t = Transformer::take(&mut f, 768, 3072, 12)?;
    let config = ClipVisionConfig {
        hidden_size: t.hidden_size,
        intermediate_size: t.intermediate_size,
        num_hidden_layers: t.num_hidden_layers,
        num_attention_heads: t.num_attention_heads,
        image_size: f.number("image_size", 224, 1, 4096)?,
        patch_size: f.number("patch_size", 32, 1, 4096)?,
        hidden_act: t.hidden_act,
        layer_norm_eps: t.layer_norm_eps,
    };
    if !config.image_size.is_multiple_of(config.patch_size) {
        let what = format!("patches of {} do not divide images of {}", config.patch_size, config.image_size);
        return Err(f.error("patch_size", what));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_files_say_much_that_does_not_matter() {
        let text = r#"{"model_type": "clip", "projection_dim": 24, "logit_scale_init_value": 2.6592,
            "text_config": {"hidden_size": 32, "num_attention_heads": 4, "top_k": 50, "bos_token_id": 0},
            "vision_config": {"hidden_size": 48, "num_attention_heads": 3, "image_size": 28, "patch_size": 7, "top_k": 50}}"#;
        let config = ClipConfig::parse("config.json", text).expect("a good file");
        assert_eq!((config.projection_dim, config.text.hidden_size, config.vision.patch_size), (24, 32, 7));
        for (from, to, part) in [
            (r#""patch_size": 7"#, r#""patch_size": 5"#, "vision_config: patch_size: patches of 5"),
            (r#""num_attention_heads": 3"#, r#""num_attention_heads": 5"#, "5 heads do not divide width 48"),
            (r#""model_type": "clip""#, r#""model_type": "siglip""#, "siglip"),
            ("text_config", "txt_config", "text_config: missing"),
        ] {
            let error = ClipConfig::parse("config.json", &text.replace(from, to)).expect_err("bad").to_string();
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }
}
