//! The network of diffusers' `UNet2DModel` as a graph.
//!
//! Nodes carry the paths that diffusers' modules have, so that block outputs can be compared one by one ([`tap`]).
//! One thing is done once here that diffusers repeats: every residual block applies its non-linearity to the same
//! embedding; the graph has a single node for that, named after the first block that needs it.

use masque_engine::graph::ops::{Conv2d, Function};
use masque_engine::graph::{Graph, GraphBuilder, GraphError, Id, Visibility, elements};

use crate::ModelError;
use crate::config::{Downsample, Mid, UNet2dConfig};

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
    if n == 0 || n > BATCH {
        return Err(ModelError::Request(format!("a batch of {n} images, possible are 1..={BATCH}")));
    }
    Ok(Net::build(config, n)?)
}

/// Position in [`Graph::nodes`] of the node whose value diffusers' module of that path returns: the node of that name, or
/// the last one inside of the module, as `down_blocks.0.downsamplers.0.conv` for `down_blocks.0`.
pub fn tap(graph: &Graph, path: &str) -> Option<usize> {
    let last = |test: &dyn Fn(&str) -> bool| graph.nodes.iter().rposition(|node| test(&node.name));
    if path == "time_proj" {
        return last(&|name| name == TIME_FEATURES);
    }
    if let Some(i) = last(&|name| name == path) {
        return Some(i);
    }
    if path.ends_with(REPEATED) {
        return last(&|name| name.ends_with(REPEATED));
    }
    last(&|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// What the fixtures call the second use of a residual block's non-linearity.
const REPEATED: &str = ".nonlinearity#2";

type Built = Result<Id, GraphError>;

struct Net<'a> {
    config: &'a UNet2dConfig,
    g: GraphBuilder,
    embedding: Id,
    activated: Option<Id>,
}

impl<'a> Net<'a> {
    fn build(config: &'a UNet2dConfig, n: usize) -> Result<Graph, GraphError> {
        let ([h, w], channels) = (config.sample_size, &config.block_out_channels);
        let mut g = GraphBuilder::new("unet2d");
        let sample = g.input(SAMPLE, &[n, h, w, config.in_channels], Visibility::Secret)?;
        let time = g.input(TIME_FEATURES, &[n, channels[0]], Visibility::Public)?;
        let width = config.time_embedding_dim;
        let t = g.linear("time_embedding.linear_1", time, width, true)?;
        let t = g.activation("time_embedding.act", t, config.time_act_fn)?;
        let mut embedding = g.linear("time_embedding.linear_2", t, width, true)?;
        if let Some(classes) = config.num_class_embeds {
            let class = g.input(CLASS, &[n, classes], Visibility::Secret)?;
            let class = g.embedding("class_embedding", class, width)?;
            embedding = g.add("embedding", embedding, class)?;
        }
        let mut net = Self { config, g, embedding, activated: None };
        let x = net.conv("conv_in", sample, channels[0], 3)?;
        let (x, mut skips) = net.down(x)?;
        let x = net.mid(x)?;
        let x = net.up(x, &mut skips)?;
        let x = net.norm("conv_norm_out", x, config.norm_num_groups)?;
        let x = net.g.activation("conv_act", x, config.conv_act_fn)?;
        let x = net.conv("conv_out", x, config.out_channels, 3)?;
        Ok(net.g.finish(x))
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
                let path = format!("{block}.downsamplers.0.conv");
                let pad = match config.downsample {
                    Downsample::Symmetric => 1,
                    Downsample::After => 0,
                };
                let conv =
                    Conv2d { path: path.clone(), inputs: c, outputs: c, kernel: 3, stride: 2, pad, pad_after: 1 };
                x = self.g.conv2d(&path, x, conv)?;
                skips.push(x);
            }
        }
        Ok((x, skips))
    }

    fn mid(&mut self, mut x: Id) -> Built {
        let c = self.channels(x);
        if self.config.mid == Mid::Absent {
            return Ok(x);
        }
        x = self.resnet("mid_block.resnets.0", x, c)?;
        if self.config.mid == Mid::Attention {
            let groups = self.config.attn_norm_num_groups.unwrap_or(self.config.norm_num_groups);
            x = self.attention("mid_block.attentions.0", x, groups)?;
        }
        self.resnet("mid_block.resnets.1", x, c)
    }

    fn up(&mut self, mut x: Id, skips: &mut Vec<Id>) -> Built {
        let config = self.config;
        let levels = config.block_out_channels.len();
        for (i, (&c, &attention)) in config.block_out_channels.iter().rev().zip(&config.up_attention).enumerate() {
            let block = format!("up_blocks.{i}");
            for j in 0..=config.layers_per_block {
                // as many as there are layers on the way up: one after conv_in, one per layer and downsampling
                if let Some(skip) = skips.pop() {
                    x = self.g.concat(&format!("{block}.concat.{j}"), x, skip)?;
                }
                x = self.layer(&block, j, x, c, attention)?;
            }
            if i + 1 < levels {
                x = self.g.upsample(&format!("{block}.upsamplers.0.nearest"), x)?;
                x = self.conv(&format!("{block}.upsamplers.0.conv"), x, c, 3)?;
            }
        }
        Ok(x)
    }

    /// A residual block, with attention behind it or not.
    fn layer(&mut self, block: &str, j: usize, x: Id, outputs: usize, attention: bool) -> Built {
        let x = self.resnet(&format!("{block}.resnets.{j}"), x, outputs)?;
        if !attention {
            return Ok(x);
        }
        self.attention(&format!("{block}.attentions.{j}"), x, self.config.norm_num_groups)
    }

    fn resnet(&mut self, path: &str, x: Id, outputs: usize) -> Built {
        let (groups, act) = (self.config.norm_num_groups, self.config.act_fn);
        let at = |name: &str| format!("{path}.{name}");
        let h = self.norm(&at("norm1"), x, groups)?;
        let h = self.g.activation(&at("nonlinearity"), h, act)?;
        let h = self.conv(&at("conv1"), h, outputs, 3)?;
        let t = self.activated(path, act)?;
        let t = self.g.linear(&at("time_emb_proj"), t, outputs, true)?;
        let h = self.g.add(&at("time_add"), h, t)?;
        let h = self.norm(&at("norm2"), h, groups)?;
        let h = self.g.activation(&at("nonlinearity#3"), h, act)?;
        let h = self.conv(&at("conv2"), h, outputs, 3)?;
        let skip = if self.channels(x) == outputs { x } else { self.conv(&at("conv_shortcut"), x, outputs, 1)? };
        self.g.add(path, skip, h)
    }

    /// The embedding behind the residual blocks' non-linearity, computed for the first of them.
    fn activated(&mut self, path: &str, act: Function) -> Built {
        if let Some(id) = self.activated {
            return Ok(id);
        }
        let id = self.g.activation(&format!("{path}{REPEATED}"), self.embedding, act)?;
        self.activated = Some(id);
        Ok(id)
    }

    fn attention(&mut self, path: &str, x: Id, groups: usize) -> Built {
        let shape = self.g.shape(x).to_vec();
        let (n, c) = (shape[0], self.channels(x));
        let heads = c / self.config.attention_head_dim.unwrap_or(c);
        let at = |name: &str| format!("{path}.{name}");
        let tokens = self.g.reshape(&at("tokens"), x, &[n, elements(&shape) / (n * c), c])?;
        let tokens = self.norm(&at("group_norm"), tokens, groups)?;
        let q = self.g.linear(&at("to_q"), tokens, c, true)?;
        let k = self.g.linear(&at("to_k"), tokens, c, true)?;
        let v = self.g.linear(&at("to_v"), tokens, c, true)?;
        let y = self.g.attention(&at("core"), q, k, v, heads)?;
        let y = self.g.linear(&at("to_out.0"), y, c, true)?;
        let y = self.g.reshape(&at("image"), y, &shape)?;
        self.g.add(path, y, x)
    }

    fn channels(&self, x: Id) -> usize {
        self.g.shape(x).last().copied().unwrap_or(0)
    }

    fn conv(&mut self, path: &str, x: Id, outputs: usize, kernel: usize) -> Built {
        self.g.conv2d(path, x, Conv2d::same(path, self.channels(x), outputs, kernel))
    }

    fn norm(&mut self, path: &str, x: Id, groups: usize) -> Built {
        self.g.group_norm(path, x, groups, self.config.norm_eps)
    }
}
