//! `vae/config.json` of diffusers' `AutoencoderKL`, as far as the decoder goes.

use std::path::Path;

use masque_engine::graph::ops::Function;
use serde_json::Value;

use super::unet2d::{ACTIVATIONS, CHANNELS};
use super::{Fields, FixedPoint};
use crate::ModelError;

/// The decoder of an `AutoencoderKL`.
#[derive(Clone, Debug, PartialEq)]
pub struct VaeConfig {
    /// Channels of the latent.
    pub latent_channels: usize,
    /// Channels of the image.
    pub out_channels: usize,
    /// Channels of each level, the finest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// Groups of every normalisation.
    pub norm_num_groups: usize,
    /// Non-linearity.
    pub act_fn: Function,
    /// Whether the middle block has attention.
    pub mid_attention: bool,
    /// Whether a 1x1 convolution precedes the decoder.
    pub post_quant_conv: bool,
    /// Latents of the diffusion are those of the decoder times this.
    pub scaling_factor: f32,
    /// Settings of the fixed-point plan that differ from the usual.
    pub fixed_point: FixedPoint,
}

impl VaeConfig {
    /// Reads and checks a `config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("_class_name", "AutoencoderKL")?;
        f.only("class", "AutoencoderKL")?;
        f.only("latents_mean", Value::Null)?;
        f.only("latents_std", Value::Null)?;
        f.only("shift_factor", Value::Null)?;
        // The encoder, and how others would run the decoder.
        f.ignore(&["tag", "in_channels", "down_block_types", "use_quant_conv", "force_upcast", "sample_size"]);
        let block_out_channels: Vec<usize> = f.or("block_out_channels", vec![64])?;
        let levels = block_out_channels.len();
        if !(1..=10).contains(&levels) {
            return Err(f.error("block_out_channels", "needs 1..=10 levels"));
        }
        let types: Vec<String> = f.or("up_block_types", vec!["UpDecoderBlock2D".into()])?;
        if types.len() != levels {
            let what = format!("{} blocks, but block_out_channels has {levels}", types.len());
            return Err(f.error("up_block_types", what));
        }
        for name in &types {
            f.choose("up_block_types", name, &[("UpDecoderBlock2D", ())])?;
        }
        let config = Self {
            fixed_point: FixedPoint::take(&mut f)?,
            latent_channels: f.number("latent_channels", 4, 1, CHANNELS)?,
            out_channels: f.number("out_channels", 3, 1, CHANNELS)?,
            layers_per_block: f.number("layers_per_block", 1, 1, 32)?,
            norm_num_groups: f.number("norm_num_groups", 32, 1, CHANNELS)?,
            act_fn: f.choice("act_fn", Function::Silu, &ACTIVATIONS)?,
            mid_attention: f.or("mid_block_add_attention", true)?,
            post_quant_conv: f.or("use_post_quant_conv", true)?,
            scaling_factor: f.or("scaling_factor", 0.18215)?,
            block_out_channels,
        };
        for c in &config.block_out_channels {
            f.bounded("block_out_channels", *c, 1, CHANNELS)?;
            if !c.is_multiple_of(config.norm_num_groups) {
                let what = format!("{} does not divide {c} channels", config.norm_num_groups);
                return Err(f.error("norm_num_groups", what));
            }
        }
        if !(config.scaling_factor > 0.0 && config.scaling_factor.is_finite()) {
            return Err(f.error("scaling_factor", format!("{} is not a positive number", config.scaling_factor)));
        }
        f.finish()?;
        Ok(config)
    }

    /// Extent of the image for an extent of the latent.
    pub fn extent(&self, latent: usize) -> usize {
        latent << (self.block_out_channels.len() - 1)
    }
}
