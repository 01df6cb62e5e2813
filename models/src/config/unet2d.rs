//! `unet/config.json` of diffusers' `UNet2DModel`.

use std::path::Path;

use masque_engine::graph::ops::Function;
use serde::Deserialize;
use serde_json::Value;

use super::{Fields, FixedPoint};
use crate::ModelError;

pub(super) const CHANNELS: usize = 8192;
const EXTENT: usize = 2048;
const DOWN: [(&str, bool); 2] = [("DownBlock2D", false), ("AttnDownBlock2D", true)];
const UP: [(&str, bool); 2] = [("UpBlock2D", false), ("AttnUpBlock2D", true)];
pub(super) const ACTIVATIONS: [(&str, Function); 4] =
    [("silu", Function::Silu), ("swish", Function::Silu), ("relu", Function::Relu), ("gelu", Function::Gelu)];

/// How downsampling convolutions pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downsample {
    /// One row and column on each side (`downsample_padding` 1).
    Symmetric,
    /// One row below and one column to the right (`downsample_padding` 0).
    After,
}

/// What lies between the way down and the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mid {
    /// Nothing.
    Absent,
    /// Two residual blocks.
    Plain,
    /// Two residual blocks with attention between them.
    Attention,
}

/// A `UNet2DModel`, as far as it is supported.
#[derive(Clone, Debug, PartialEq)]
pub struct UNet2dConfig {
    /// Height and width of the sample.
    pub sample_size: [usize; 2],
    /// Channels of the sample.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Channels of each level, from the finest.
    pub block_out_channels: Vec<usize>,
    /// Whether each level on the way down has attention.
    pub down_attention: Vec<bool>,
    /// The middle block.
    pub mid: Mid,
    /// Whether each level on the way up has attention, from the coarsest.
    pub up_attention: Vec<bool>,
    /// Residual blocks per level on the way down; one more on the way up.
    pub layers_per_block: usize,
    /// Padding of the downsampling convolutions.
    pub downsample: Downsample,
    /// Width of an attention head; `None` means a single head.
    pub attention_head_dim: Option<usize>,
    /// Groups of every normalisation but the middle attention's.
    pub norm_num_groups: usize,
    /// Groups of the middle attention's normalisation; `None` means [`Self::norm_num_groups`].
    pub attn_norm_num_groups: Option<usize>,
    /// Added to variances.
    pub norm_eps: f32,
    /// Non-linearity of the residual blocks.
    pub act_fn: Function,
    /// Non-linearity before the last convolution. Not a field of diffusers, which has SiLU there.
    pub conv_act_fn: Function,
    /// Non-linearity inside the time embedding. Not a field of diffusers, which has SiLU there.
    pub time_act_fn: Function,
    /// Whether cosines precede sines in the time features.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of frequencies in their exponents' denominator.
    pub freq_shift: f32,
    /// Width of the time embedding.
    pub time_embedding_dim: usize,
    /// Number of classes; `None` for an unconditional network.
    pub num_class_embeds: Option<usize>,
    /// Whether every residual block embeds the class for itself, as CipherDM's network does, instead of the time embedding
    /// once. Not a field of diffusers.
    pub class_embed_in_blocks: bool,
    /// Settings of the fixed-point plan that differ from the usual.
    pub fixed_point: FixedPoint,
}

impl UNet2dConfig {
    /// Reads and checks a `config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("_class_name", "UNet2DModel")?;
        f.only("class", "UNet2DModel")?;
        f.ignore(&["tag", "dropout", "num_train_timesteps"]);
        f.only("center_input_sample", false)?;
        f.only("time_embedding_type", "positional")?;
        f.only("mid_block_scale_factor", 1)?;
        f.only("downsample_type", "conv")?;
        f.only("upsample_type", "conv")?;
        f.only("resnet_time_scale_shift", "default")?;
        f.only("class_embed_type", Value::Null)?;
        f.only("attention_legacy_order", false)?;

        let block_out_channels = f.or("block_out_channels", vec![224, 448, 672, 896])?;
        let levels = block_out_channels.len();
        f.bounded("block_out_channels", levels, 1, 10)
            .map_err(|_| f.error("block_out_channels", "needs 1..=10 levels"))?;
        for c in &block_out_channels {
            f.bounded("block_out_channels", *c, 1, CHANNELS)?;
        }
        let down_attention = blocks(&mut f, "down_block_types", &DOWN, [false, true, true, true], levels)?;
        let up_attention = blocks(&mut f, "up_block_types", &UP, [true, true, true, false], levels)?;
        let mid_block: Option<String> = f.or("mid_block_type", Some("UNetMidBlock2D".into()))?;
        let attention = f.or("add_attention", true)?;
        let mid = match mid_block {
            None => Mid::Absent,
            Some(name) => {
                f.choose("mid_block_type", &name, &[("UNetMidBlock2D", ())])?;
                if attention { Mid::Attention } else { Mid::Plain }
            }
        };
        let act_fn = f.choice("act_fn", Function::Silu, &ACTIVATIONS)?;
        let norm_num_groups = f.number("norm_num_groups", 32, 1, CHANNELS)?;
        let config = Self {
            fixed_point: FixedPoint::take(&mut f)?,
            sample_size: sample_size(&mut f, levels)?,
            in_channels: f.number("in_channels", 3, 1, CHANNELS)?,
            out_channels: f.number("out_channels", 3, 1, CHANNELS)?,
            down_attention,
            mid,
            up_attention,
            layers_per_block: f.number("layers_per_block", 2, 1, 32)?,
            downsample: match f.number("downsample_padding", 1, 0, 1)? {
                0 => Downsample::After,
                _ => Downsample::Symmetric,
            },
            attention_head_dim: f.or("attention_head_dim", Some(8))?,
            norm_num_groups,
            attn_norm_num_groups: f.or("attn_norm_num_groups", None)?,
            norm_eps: f.or("norm_eps", 1e-5)?,
            act_fn,
            conv_act_fn: f.choice("conv_act_fn", Function::Silu, &ACTIVATIONS)?,
            time_act_fn: f.choice("time_act_fn", Function::Silu, &ACTIVATIONS)?,
            flip_sin_to_cos: f.or("flip_sin_to_cos", true)?,
            freq_shift: f.or("freq_shift", 0.0)?,
            time_embedding_dim: match f.or("time_embedding_dim", None)? {
                Some(width) if width != 0 => f.bounded("time_embedding_dim", width, 1, 4 * CHANNELS)?,
                _ => 4 * block_out_channels[0],
            },
            num_class_embeds: f.or("num_class_embeds", None)?,
            class_embed_in_blocks: f.or("class_embed_in_blocks", false)?,
            block_out_channels,
        };
        config.check(&f)?;
        f.finish()?;
        Ok(config)
    }

    /// Channels of the levels that have attention.
    fn attended(&self) -> impl Iterator<Item = usize> {
        let down = self.block_out_channels.iter().zip(&self.down_attention);
        let up = self.block_out_channels.iter().rev().zip(&self.up_attention);
        let mid = self.block_out_channels.last().filter(|_| self.mid == Mid::Attention);
        down.chain(up).filter(|(_, attention)| **attention).map(|(c, _)| *c).chain(mid.copied())
    }

    fn check(&self, f: &Fields) -> Result<(), ModelError> {
        if let Some(n) = self.num_class_embeds {
            f.bounded("num_class_embeds", n, 1, 1 << 20)?;
        }
        let groups =
            [("norm_num_groups", Some(self.norm_num_groups)), ("attn_norm_num_groups", self.attn_norm_num_groups)];
        for (field, groups) in groups {
            let coarsest = self.block_out_channels.len() - 1;
            for (i, c) in self.block_out_channels.iter().enumerate() {
                let normalised = field == "norm_num_groups" || (self.mid == Mid::Attention && i == coarsest);
                if let Some(g) = groups.filter(|g| normalised && (*g == 0 || !c.is_multiple_of(*g))) {
                    return Err(f.error(field, format!("{g} does not divide {c} channels")));
                }
            }
        }
        if let Some(width) = self.attention_head_dim
            && let Some(c) = self.attended().find(|c| width == 0 || !c.is_multiple_of(width))
        {
            return Err(f.error("attention_head_dim", format!("{width} does not divide {c} channels")));
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

/// Which levels have attention.
pub(super) fn blocks(
    f: &mut Fields,
    field: &str,
    known: &[(&str, bool)],
    default: [bool; 4],
    levels: usize,
) -> Result<Vec<bool>, ModelError> {
    let blocks = match f.or::<Option<Vec<String>>>(field, None)? {
        Some(names) => names.iter().map(|name| f.choose(field, name, known)).collect::<Result<_, _>>()?,
        None => default.to_vec(),
    };
    if blocks.len() != levels {
        return Err(f.error(field, format!("{} blocks, but block_out_channels has {levels}", blocks.len())));
    }
    Ok(blocks)
}

/// One extent or two; both must survive halving at every level but the last.
pub(super) fn sample_size(f: &mut Fields, levels: usize) -> Result<[usize; 2], ModelError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Square(usize),
        Rectangle([usize; 2]),
    }
    let size = match f.required("sample_size")? {
        Size::Square(n) => [n; 2],
        Size::Rectangle(hw) => hw,
    };
    for n in size {
        f.bounded("sample_size", n, 1, EXTENT)?;
        let halved = 1usize << (levels - 1);
        if !n.is_multiple_of(halved) {
            return Err(f.error("sample_size", format!("{n} is no multiple of {halved}, which {levels} levels need")));
        }
    }
    Ok(size)
}
