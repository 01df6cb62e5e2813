//! `unet/config.json` of diffusers' `UNet2DConditionModel`.

use std::path::Path;

use masque_engine::graph::ops::Function;
use serde_json::Value;

use super::unet2d::{ACTIVATIONS, CHANNELS, blocks, sample_size};
use super::{Downsample, Fields, FixedPoint};
use crate::ModelError;

const DOWN: [(&str, bool); 2] = [("CrossAttnDownBlock2D", true), ("DownBlock2D", false)];
const UP: [(&str, bool); 2] = [("UpBlock2D", false), ("CrossAttnUpBlock2D", true)];

/// A `UNet2DConditionModel`, as far as it is supported: Stable Diffusion 1 and 2. Lists have one entry for each level, the
/// finest first.
#[derive(Clone, Debug, PartialEq)]
pub struct UNet2dConditionConfig {
    /// Height and width of the latent that the network was trained for.
    pub sample_size: [usize; 2],
    /// Channels of the sample.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Whether each level on the way down has transformers.
    pub down_attention: Vec<bool>,
    /// Whether each level on the way up has transformers, the coarsest first.
    pub up_attention: Vec<bool>,
    /// Whether there is a middle block (with a transformer).
    pub mid: bool,
    /// Residual blocks of each level on the way down; one more on the way up.
    pub layers_per_block: Vec<usize>,
    /// Layers of each level's transformers; the middle block has those of the coarsest level.
    pub transformer_layers: Vec<usize>,
    /// Attention heads of each level; the middle block has those of the coarsest. diffusers calls this `attention_head_dim`.
    pub heads: Vec<usize>,
    /// Width of the condition's tokens.
    pub cross_attention_dim: usize,
    /// Whether transformers begin and end with a fully connected layer instead of a 1x1 convolution.
    pub linear_projection: bool,
    /// Padding of the downsampling convolutions.
    pub downsample: Downsample,
    /// Groups of every normalisation.
    pub norm_num_groups: usize,
    /// Added to the residual blocks' variances.
    pub norm_eps: f32,
    /// Non-linearity of the residual blocks and before the last convolution.
    pub act_fn: Function,
    /// Whether cosines precede sines in the time features.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of frequencies in their exponents' denominator.
    pub freq_shift: f32,
    /// Width of the time embedding.
    pub time_embedding_dim: usize,
    /// Settings of the fixed-point plan that differ from the usual.
    pub fixed_point: FixedPoint,
}

impl UNet2dConditionConfig {
    /// Reads and checks a `config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("_class_name", "UNet2DConditionModel")?;
        f.only("class", "UNet2DConditionModel")?;
        unsupported(&mut f)?;
        f.ignore(&["tag", "dropout", "upcast_attention", "addition_embed_type_num_heads", "addition_time_embed_dim"]);

        let block_out_channels = f.or("block_out_channels", vec![320, 640, 1280, 1280])?;
        let levels = block_out_channels.len();
        if !(1..=10).contains(&levels) {
            return Err(f.error("block_out_channels", "needs 1..=10 levels"));
        }
        for c in &block_out_channels {
            f.bounded("block_out_channels", *c, 1, CHANNELS)?;
        }
        let mid: Option<String> = f.or("mid_block_type", Some("UNetMidBlock2DCrossAttn".into()))?;
        if let Some(name) = &mid {
            f.choose("mid_block_type", name, &[("UNetMidBlock2DCrossAttn", ())])?;
        }
        // What diffusers calls the heads' width is their number, unless `num_attention_heads` says otherwise.
        let heads = f.per_level("attention_head_dim", 8, levels, CHANNELS)?;
        let heads = f.per_level_or_null("num_attention_heads", levels, CHANNELS)?.unwrap_or(heads);
        let config = Self {
            fixed_point: FixedPoint::take(&mut f)?,
            sample_size: sample_size(&mut f, levels)?,
            in_channels: f.number("in_channels", 4, 1, CHANNELS)?,
            out_channels: f.number("out_channels", 4, 1, CHANNELS)?,
            down_attention: blocks(&mut f, "down_block_types", &DOWN, [true, true, true, false], levels)?,
            up_attention: blocks(&mut f, "up_block_types", &UP, [false, true, true, true], levels)?,
            mid: mid.is_some(),
            layers_per_block: f.per_level("layers_per_block", 2, levels, 32)?,
            transformer_layers: f.per_level("transformer_layers_per_block", 1, levels, 64)?,
            heads,
            cross_attention_dim: f.number("cross_attention_dim", 1280, 1, CHANNELS)?,
            linear_projection: f.or("use_linear_projection", false)?,
            downsample: match f.number("downsample_padding", 1, 0, 1)? {
                0 => Downsample::After,
                _ => Downsample::Symmetric,
            },
            norm_num_groups: f.number("norm_num_groups", 32, 1, CHANNELS)?,
            norm_eps: f.or("norm_eps", 1e-5)?,
            act_fn: f.choice("act_fn", Function::Silu, &ACTIVATIONS)?,
            flip_sin_to_cos: f.or("flip_sin_to_cos", true)?,
            freq_shift: f.or("freq_shift", 0.0)?,
            time_embedding_dim: match f.or("time_embedding_dim", None)? {
                Some(width) if width != 0 => f.bounded("time_embedding_dim", width, 1, 4 * CHANNELS)?,
                _ => 4 * block_out_channels[0],
            },
            block_out_channels,
        };
        config.check(&f)?;
        f.finish()?;
        Ok(config)
    }

    /// Levels that have a transformer somewhere.
    fn attended(&self, level: usize) -> bool {
        let coarsest = self.block_out_channels.len() - 1;
        self.down_attention[level] || self.up_attention[coarsest - level] || (self.mid && level == coarsest)
    }

    fn check(&self, f: &Fields) -> Result<(), ModelError> {
        for (level, c) in self.block_out_channels.iter().enumerate() {
            if !c.is_multiple_of(self.norm_num_groups) {
                return Err(
                    f.error("norm_num_groups", format!("{} does not divide {c} channels", self.norm_num_groups))
                );
            }
            let heads = self.heads[level];
            if self.attended(level) && !c.is_multiple_of(heads) {
                return Err(f.error("attention_head_dim", format!("{heads} heads do not divide {c} channels")));
            }
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return Err(f.error("norm_eps", format!("{} is not between 0 and 1", self.norm_eps)));
        }
        let frequencies = self.block_out_channels[0] / 2;
        if !(self.freq_shift >= 0.0 && self.freq_shift < frequencies as f32) {
            let what = format!("{} is not in 0..{frequencies}, half of the first level's channels", self.freq_shift);
            return Err(f.error("freq_shift", what));
        }
        Ok(())
    }
}

/// Refuses what later models of the class have.
fn unsupported(f: &mut Fields) -> Result<(), ModelError> {
    for field in [
        "addition_embed_type",
        "class_embed_type",
        "cross_attention_norm",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "mid_block_only_cross_attention",
        "num_class_embeds",
        "projection_class_embeddings_input_dim",
        "reverse_transformer_layers_per_block",
        "time_cond_proj_dim",
        "time_embedding_act_fn",
        "timestep_post_act",
    ] {
        f.only(field, Value::Null)?;
    }
    for field in ["center_input_sample", "class_embeddings_concat", "dual_cross_attention", "resnet_skip_time_act"] {
        f.only(field, false)?;
    }
    // One answer, or one for each level.
    let only_cross: Value = f.or("only_cross_attention", Value::Bool(false))?;
    let none = |v: &Value| *v == Value::Bool(false);
    if !(none(&only_cross) || only_cross.as_array().is_some_and(|levels| levels.iter().all(none))) {
        return Err(f.error("only_cross_attention", format!("{only_cross} is not supported, only false")));
    }
    f.only("mid_block_scale_factor", 1)?;
    f.only("resnet_out_scale_factor", 1)?;
    f.only("conv_in_kernel", 3)?;
    f.only("conv_out_kernel", 3)?;
    f.only("attention_type", "default")?;
    f.only("resnet_time_scale_shift", "default")?;
    f.only("time_embedding_type", "positional")
}
