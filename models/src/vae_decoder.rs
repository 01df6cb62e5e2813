//! The decoder of diffusers' `AutoencoderKL` as a graph, from latent to image. Nodes carry the paths of diffusers' modules.

use masque_engine::graph::{Graph, GraphBuilder, GraphError, Id, Visibility};

use crate::ModelError;
use crate::blocks::{Blocks, Built};
use crate::config::VaeConfig;
use crate::unet2d::check_batch;

/// Name of the input `[n, h, w, latent_channels]`.
pub const LATENT: &str = "latent";

/// Added to variances; diffusers has no setting for it.
const EPS: f32 = 1e-6;

/// What the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latent {
    /// As diffusers' `decode` takes it.
    Decoder,
    /// As the diffusion makes it: the first node divides it by the scaling factor.
    Diffusion,
}

/// Builds the decoder for `n` latents of `h` x `w`. Its output is the image `[n, h', w', out_channels]`, mostly within
/// `[-1, 1]`.
pub fn graph(config: &VaeConfig, n: usize, [h, w]: [usize; 2], latent: Latent) -> Result<Graph, ModelError> {
    check_batch(n)?;
    if h == 0 || w == 0 {
        return Err(ModelError::Request(format!("a latent of {h}x{w}")));
    }
    Ok(build(config, n, [h, w], latent)?)
}

fn build(config: &VaeConfig, n: usize, [h, w]: [usize; 2], latent: Latent) -> Result<Graph, GraphError> {
    let mut g = GraphBuilder::new("vae_decoder");
    let mut x = g.input(LATENT, &[n, h, w, config.latent_channels], Visibility::Secret)?;
    if latent == Latent::Diffusion {
        x = g.scale("unscaled", x, config.scaling_factor.recip())?;
    }
    let mut b = Blocks::new(g, config.norm_num_groups, EPS, config.act_fn, None);
    if config.post_quant_conv {
        x = b.conv("post_quant_conv", x, config.latent_channels, 1)?;
    }
    let coarsest = config.block_out_channels.last().copied().unwrap_or(0);
    let x = b.conv("decoder.conv_in", x, coarsest, 3)?;
    let x = mid(&mut b, config, x, coarsest)?;
    let x = up(&mut b, config, x)?;
    let x = b.norm("decoder.conv_norm_out", x)?;
    let x = b.g.activation("decoder.conv_act", x, config.act_fn)?;
    let x = b.conv("decoder.conv_out", x, config.out_channels, 3)?;
    Ok(b.g.finish(x))
}

fn mid(b: &mut Blocks, config: &VaeConfig, x: Id, channels: usize) -> Built {
    let mut x = b.resnet("decoder.mid_block.resnets.0", x, channels)?;
    if config.mid_attention {
        x = b.attention("decoder.mid_block.attentions.0", x, config.norm_num_groups, 1)?;
    }
    b.resnet("decoder.mid_block.resnets.1", x, channels)
}

fn up(b: &mut Blocks, config: &VaeConfig, mut x: Id) -> Built {
    let levels = config.block_out_channels.len();
    for (i, &c) in config.block_out_channels.iter().rev().enumerate() {
        let block = format!("decoder.up_blocks.{i}");
        for j in 0..=config.layers_per_block {
            x = b.resnet(&format!("{block}.resnets.{j}"), x, c)?;
        }
        if i + 1 < levels {
            x = b.upsample(&block, x)?;
        }
    }
    Ok(x)
}
