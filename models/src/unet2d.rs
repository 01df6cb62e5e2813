//! The network of diffusers' `UNet2DModel` as a graph.
//!
//! Nodes carry the paths that diffusers' modules have, so that block outputs can be compared one by one ([`tap`]).
//! One thing is done once here that diffusers repeats: every residual block applies its non-linearity to the same
//! embedding; the graph has a single node for that, named after the first block that needs it.

use masque_engine::graph::ops::Function;
use masque_engine::graph::{Graph, GraphBuilder, GraphError, Id, Visibility};

use crate::ModelError;
use crate::blocks::{Blocks, Built};
use crate::config::{Mid, UNet2dConfig};
pub use crate::tap::tap;

/// Name of the input `[n, h, w, in_channels]`.
pub const SAMPLE: &str = "sample";
/// Name of the input `[n, block_out_channels[0]]`: [`timestep_features`] in every row.
pub const TIME_FEATURES: &str = "time_features";
/// Name of the input `[n, num_class_embeds]` of one-hot rows; absent in unconditional networks.
pub const CLASS: &str = "class";

/// Images per graph.
const BATCH: usize = 1024;

/// The sinusoidal features of one time step, in the 32-bit arithmetic of diffusers' `get_timestep_embedding`.
pub fn timestep_features(t: f32, dim: usize, flip_sin_to_cos: bool, freq_shift: f32) -> Vec<f32> {
    let half = dim / 2;
    let log_period = -(libm::log(10000.0) as f32);
    let angle = |i: usize| t * libm::exp((log_period * i as f32 / (half as f32 - freq_shift)) as f64) as f32;
    let sines = (0..half).map(|i| libm::sin(angle(i) as f64) as f32);
    let cosines = (0..half).map(|i| libm::cos(angle(i) as f64) as f32);
    let mut features: Vec<f32> =
        if flip_sin_to_cos { cosines.chain(sines).collect() } else { sines.chain(cosines).collect() };
    features.resize(dim, 0.0);
    features
}

/// Builds the network for `n` images at once.
pub fn graph(config: &UNet2dConfig, n: usize) -> Result<Graph, ModelError> {
    check_batch(n)?;
    Net::build(config, n, None)
}

/// The network with identities for the attention maps of a block, as perturbed-attention guidance needs it. It reads fewer
/// weights.
pub fn perturbed(config: &UNet2dConfig, n: usize, block: &str) -> Result<Graph, ModelError> {
    check_batch(n)?;
    Net::build(config, n, Some(block))
}

/// Refuses impossible numbers of images.
pub(crate) fn check_batch(n: usize) -> Result<(), ModelError> {
    if n == 0 || n > BATCH {
        return Err(ModelError::Request(format!("a batch of {n} images, possible are 1..={BATCH}")));
    }
    Ok(())
}

/// The input [`TIME_FEATURES`] and the two layers behind it.
pub(crate) fn time_embedding(g: &mut GraphBuilder, n: usize, features: usize, width: usize, act: Function) -> Built {
    let time = g.input(TIME_FEATURES, &[n, features], Visibility::Public)?;
    let t = g.linear("time_embedding.linear_1", time, width, true)?;
    let t = g.activation("time_embedding.act", t, act)?;
    g.linear("time_embedding.linear_2", t, width, true)
}

struct Net<'a> {
    config: &'a UNet2dConfig,
    b: Blocks,
}

impl<'a> Net<'a> {
    fn build(config: &'a UNet2dConfig, n: usize, identity: Option<&str>) -> Result<Graph, ModelError> {
        let ([h, w], channels) = (config.sample_size, &config.block_out_channels);
        let mut g = GraphBuilder::new("unet2d");
        let sample = g.input(SAMPLE, &[n, h, w, config.in_channels], Visibility::Secret)?;
        let mut embedding = time_embedding(&mut g, n, channels[0], config.time_embedding_dim, config.time_act_fn)?;
        let mut in_blocks = None;
        if let Some(classes) = config.num_class_embeds {
            let class = g.input(CLASS, &[n, classes], Visibility::Secret)?;
            if config.class_embed_in_blocks {
                in_blocks = Some(class);
            } else {
                let class = g.embedding("class_embedding", class, config.time_embedding_dim)?;
                embedding = g.add("embedding", embedding, class)?;
            }
        }
        let mut b = Blocks::new(g, config.norm_num_groups, config.norm_eps, config.act_fn, Some(embedding));
        b.class = in_blocks;
        b.identity = identity.map(str::to_owned);
        let mut net = Self { config, b };
        let x = net.b.conv("conv_in", sample, channels[0], 3)?;
        let (x, mut skips) = net.down(x)?;
        let x = net.mid(x)?;
        let x = net.up(x, &mut skips)?;
        let x = net.b.norm("conv_norm_out", x)?;
        let x = net.b.g.activation("conv_act", x, config.conv_act_fn)?;
        let x = net.b.conv("conv_out", x, config.out_channels, 3)?;
        net.b.check_identity()?;
        Ok(net.b.g.finish(x))
    }

    /// The way down; returns all outputs that the way up reads.
    fn down(&mut self, mut x: Id) -> Result<(Id, Vec<Id>), GraphError> {
        let config = self.config;
        let levels = config.block_out_channels.len();
        let mut skips = vec![x];
        for (i, (&c, &attention)) in config.block_out_channels.iter().zip(&config.down_attention).enumerate() {
            let block = format!("down_blocks.{i}");
            for j in 0..config.layers_per_block {
                x = self.layer(&block, j, x, c, attention)?;
                skips.push(x);
            }
            if i + 1 < levels {
                x = self.b.downsample(&block, x, config.downsample)?;
                skips.push(x);
            }
        }
        Ok((x, skips))
    }

    fn mid(&mut self, mut x: Id) -> Built {
        let c = self.b.channels(x);
        if self.config.mid == Mid::Absent {
            return Ok(x);
        }
        x = self.b.resnet("mid_block.resnets.0", x, c)?;
        if self.config.mid == Mid::Attention {
            let groups = self.config.attn_norm_num_groups.unwrap_or(self.config.norm_num_groups);
            x = self.b.attention("mid_block.attentions.0", x, groups, self.heads(c))?;
        }
        self.b.resnet("mid_block.resnets.1", x, c)
    }

    fn up(&mut self, mut x: Id, skips: &mut Vec<Id>) -> Built {
        let config = self.config;
        let levels = config.block_out_channels.len();
        for (i, (&c, &attention)) in config.block_out_channels.iter().rev().zip(&config.up_attention).enumerate() {
            let block = format!("up_blocks.{i}");
            for j in 0..=config.layers_per_block {
                // as many as there are layers on the way up: one after conv_in, one per layer and downsampling
                if let Some(skip) = skips.pop() {
                    x = self.b.g.concat(&format!("{block}.concat.{j}"), x, skip)?;
                }
                x = self.layer(&block, j, x, c, attention)?;
            }
            if i + 1 < levels {
                x = self.b.upsample(&block, x)?;
            }
        }
        Ok(x)
    }

    /// A residual block, with attention behind it or not.
    fn layer(&mut self, block: &str, j: usize, x: Id, outputs: usize, attention: bool) -> Built {
        let x = self.b.resnet(&format!("{block}.resnets.{j}"), x, outputs)?;
        if !attention {
            return Ok(x);
        }
        let path = format!("{block}.attentions.{j}");
        self.b.attention(&path, x, self.config.norm_num_groups, self.heads(outputs))
    }

    fn heads(&self, channels: usize) -> usize {
        channels / self.config.attention_head_dim.unwrap_or(channels)
    }
}
