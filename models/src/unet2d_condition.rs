//! The network of diffusers' `UNet2DConditionModel` as a graph: residual blocks that read the time, transformers that read
//! the condition's tokens. Nodes carry the paths of diffusers' modules.

use masque_engine::graph::ops::Function;
use masque_engine::graph::{Graph, GraphBuilder, GraphError, Id, Visibility};

use crate::ModelError;
use crate::blocks::{Blocks, Built};
use crate::config::UNet2dConditionConfig;
pub use crate::unet2d::{SAMPLE, TIME_FEATURES, timestep_features};
use crate::unet2d::{check_batch, time_embedding};

/// Name of the input `[n, tokens, cross_attention_dim]`: the condition.
pub const CONTEXT: &str = "context";

/// Added to variances by transformers; diffusers has no setting for it.
const GROUP_EPS: f32 = 1e-6;
const LAYER_EPS: f32 = 1e-5;

/// Builds the network for `n` latents of `h` x `w` with conditions of that many tokens.
pub fn graph(config: &UNet2dConditionConfig, n: usize, size: [usize; 2], tokens: usize) -> Result<Graph, ModelError> {
    checked(config, n, size, tokens, None)
}

/// The network with identities for the self-attention maps of a block, as perturbed-attention guidance needs it. It reads
/// fewer weights.
pub fn perturbed(
    config: &UNet2dConditionConfig,
    n: usize,
    size: [usize; 2],
    tokens: usize,
    block: &str,
) -> Result<Graph, ModelError> {
    checked(config, n, size, tokens, Some(block))
}

fn checked(
    config: &UNet2dConditionConfig,
    n: usize,
    [h, w]: [usize; 2],
    tokens: usize,
    identity: Option<&str>,
) -> Result<Graph, ModelError> {
    check_batch(n)?;
    let halved = 1 << (config.block_out_channels.len() - 1);
    if h == 0 || w == 0 || !h.is_multiple_of(halved) || !w.is_multiple_of(halved) {
        let what = format!("a latent of {h}x{w}: both extents must be multiples of {halved}");
        return Err(ModelError::Request(what));
    }
    if tokens == 0 {
        return Err(ModelError::Request("a condition without tokens".into()));
    }
    Net::build(config, n, [h, w], tokens, identity)
}

struct Net<'a> {
    config: &'a UNet2dConditionConfig,
    b: Blocks,
    context: Id,
}

impl<'a> Net<'a> {
    fn build(
        config: &'a UNet2dConditionConfig,
        n: usize,
        [h, w]: [usize; 2],
        tokens: usize,
        identity: Option<&str>,
    ) -> Result<Graph, ModelError> {
        let channels = &config.block_out_channels;
        let mut g = GraphBuilder::new("unet2d_condition");
        let sample = g.input(SAMPLE, &[n, h, w, config.in_channels], Visibility::Secret)?;
        let context = g.input(CONTEXT, &[n, tokens, config.cross_attention_dim], Visibility::Secret)?;
        let embedding = time_embedding(&mut g, n, channels[0], config.time_embedding_dim, config.act_fn)?;
        let mut b = Blocks::new(g, config.norm_num_groups, config.norm_eps, config.act_fn, Some(embedding));
        b.identity = identity.map(str::to_owned);
        let mut net = Self { config, b, context };
        let x = net.b.conv("conv_in", sample, channels[0], 3)?;
        let (x, mut skips) = net.down(x)?;
        let x = if config.mid { net.mid(x)? } else { x };
        let x = net.up(x, &mut skips)?;
        let x = net.b.norm("conv_norm_out", x)?;
        let x = net.b.g.activation("conv_act", x, config.act_fn)?;
        let x = net.b.conv("conv_out", x, config.out_channels, 3)?;
        net.b.check_identity()?;
        Ok(net.b.g.finish(x))
    }

    /// The way down; returns all outputs that the way up reads.
    fn down(&mut self, mut x: Id) -> Result<(Id, Vec<Id>), GraphError> {
        let config = self.config;
        let levels = config.block_out_channels.len();
        let mut skips = vec![x];
        for level in 0..levels {
            let block = format!("down_blocks.{level}");
            for j in 0..config.layers_per_block[level] {
                x = self.layer(&block, j, x, level, config.down_attention[level])?;
                skips.push(x);
            }
            if level + 1 < levels {
                x = self.b.downsample(&block, x, config.downsample)?;
                skips.push(x);
            }
        }
        Ok((x, skips))
    }

    fn mid(&mut self, x: Id) -> Built {
        let (c, level) = (self.b.channels(x), self.config.block_out_channels.len() - 1);
        let x = self.b.resnet("mid_block.resnets.0", x, c)?;
        let x = self.transformer("mid_block.attentions.0", x, level)?;
        self.b.resnet("mid_block.resnets.1", x, c)
    }

    fn up(&mut self, mut x: Id, skips: &mut Vec<Id>) -> Built {
        let config = self.config;
        for (i, level) in (0..config.block_out_channels.len()).rev().enumerate() {
            let block = format!("up_blocks.{i}");
            for j in 0..=config.layers_per_block[level] {
                // as many as there are layers on the way up: one after conv_in, one per layer and downsampling
                if let Some(skip) = skips.pop() {
                    x = self.b.g.concat(&format!("{block}.concat.{j}"), x, skip)?;
                }
                x = self.layer(&block, j, x, level, config.up_attention[i])?;
            }
            if level > 0 {
                x = self.b.upsample(&block, x)?;
            }
        }
        Ok(x)
    }

    /// A residual block, with a transformer behind it or not.
    fn layer(&mut self, block: &str, j: usize, x: Id, level: usize, attention: bool) -> Built {
        let x = self.b.resnet(&format!("{block}.resnets.{j}"), x, self.config.block_out_channels[level])?;
        if attention { self.transformer(&format!("{block}.attentions.{j}"), x, level) } else { Ok(x) }
    }

    /// diffusers' `Transformer2DModel`.
    fn transformer(&mut self, path: &str, x: Id, level: usize) -> Built {
        let (shape, c, linear) = (self.b.g.shape(x).to_vec(), self.b.channels(x), self.config.linear_projection);
        let at = |name: &str| format!("{path}.{name}");
        let b = &mut self.b;
        let mut h = b.g.group_norm(&at("norm"), x, b.groups, GROUP_EPS)?;
        if !linear {
            h = b.conv(&at("proj_in"), h, c, 1)?;
        }
        h = b.tokens(path, h)?;
        if linear {
            h = b.g.linear(&at("proj_in"), h, c, true)?;
        }
        for k in 0..self.config.transformer_layers[level] {
            h = self.block(&at(&format!("transformer_blocks.{k}")), h, self.config.heads[level])?;
        }
        let b = &mut self.b;
        if linear {
            h = b.g.linear(&at("proj_out"), h, c, true)?;
        }
        h = b.g.reshape(&at("image"), h, &shape)?;
        if !linear {
            h = b.conv(&at("proj_out"), h, c, 1)?;
        }
        b.g.add(path, h, x)
    }

    /// diffusers' `BasicTransformerBlock`: self-attention, attention to the condition, gated feed-forward layer.
    fn block(&mut self, path: &str, x: Id, heads: usize) -> Built {
        let at = |name: &str| format!("{path}.{name}");
        let h = self.b.g.layer_norm(&at("norm1"), x, LAYER_EPS)?;
        let h = self.attention(&at("attn1"), h, h, heads)?;
        let x = self.b.g.add(&at("self_attended"), h, x)?;
        let h = self.b.g.layer_norm(&at("norm2"), x, LAYER_EPS)?;
        let h = self.attention(&at("attn2"), h, self.context, heads)?;
        let x = self.b.g.add(&at("cross_attended"), h, x)?;
        let h = self.b.g.layer_norm(&at("norm3"), x, LAYER_EPS)?;
        let h = self.feed_forward(&at("ff"), h)?;
        self.b.g.add(path, h, x)
    }

    fn attention(&mut self, path: &str, x: Id, y: Id, heads: usize) -> Built {
        let (c, identity) = (self.b.channels(x), x == y && self.b.is_identity(path));
        let g = &mut self.b.g;
        let at = |name: &str| format!("{path}.{name}");
        if identity {
            let v = g.linear(&at("to_v"), y, c, false)?;
            return g.linear(&at("to_out.0"), v, c, true);
        }
        let q = g.linear(&at("to_q"), x, c, false)?;
        let k = g.linear(&at("to_k"), y, c, false)?;
        let v = g.linear(&at("to_v"), y, c, false)?;
        let h = g.attention(&at("core"), q, k, v, heads)?;
        g.linear(&at("to_out.0"), h, c, true)
    }

    /// A layer of four times the width whose second half of outputs gates the first (GEGLU), and one back.
    fn feed_forward(&mut self, path: &str, x: Id) -> Built {
        let (c, g) = (self.b.channels(x), &mut self.b.g);
        let at = |name: &str| format!("{path}.{name}");
        let h = g.linear(&at("net.0.proj"), x, 8 * c, true)?;
        let value = g.slice(&at("net.0.value"), h, 0, 4 * c)?;
        let gate = g.slice(&at("net.0.gate"), h, 4 * c, 4 * c)?;
        let gate = g.activation(&at("net.0.gelu"), gate, Function::Gelu)?;
        let h = g.multiply(&at("net.0"), value, gate)?;
        g.linear(&at("net.2"), h, c, true)
    }
}
