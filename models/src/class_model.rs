//! A class-conditional (or unconditional) pixel diffusion model: one folder as diffusers' pipelines write it.

use std::path::Path;

use masque_engine::graph::{Graph, Tensor, WeightError, WeightStore};

use crate::config::{SchedulerConfig, UNet2dConfig};
use crate::one_hot::one_hot;
use crate::{Checkpoint, ModelError, unet2d};

/// An opened model whose weights are known to fit its network.
#[derive(Debug)]
pub struct ClassModel {
    /// The network.
    pub config: UNet2dConfig,
    /// The sampler it was trained for.
    pub scheduler: SchedulerConfig,
    /// Its weights.
    pub weights: Checkpoint,
}

impl ClassModel {
    /// Reads `unet/config.json`, `unet/diffusion_pytorch_model.safetensors` and `scheduler/scheduler_config.json` of a
    /// folder and checks them, the weights down to each number.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let config = UNet2dConfig::read(folder.join("unet/config.json"))?;
        let scheduler = SchedulerConfig::read(folder.join("scheduler/scheduler_config.json"))?;
        let weights = Checkpoint::open(folder.join("unet/diffusion_pytorch_model.safetensors"))?;
        weights.check(&unet2d::graph(&config, 1)?.weights())?;
        Ok(Self { config, scheduler, weights })
    }

    /// The network for `n` images at once; its inputs are described in [`unet2d`].
    pub fn graph(&self, n: usize) -> Result<Graph, ModelError> {
        unet2d::graph(&self.config, n)
    }

    /// Number of elements of one image.
    pub fn image_len(&self) -> usize {
        self.config.sample_size.iter().product::<usize>() * self.config.in_channels
    }

    /// The input `time_features` for `n` images at step `t`.
    pub fn time_features(&self, t: u32, n: usize) -> Vec<f32> {
        let c = &self.config;
        unet2d::timestep_features(t as f32, c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift).repeat(n)
    }

    /// The input `class` for these labels.
    pub fn one_hot(&self, labels: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Some(classes) = self.config.num_class_embeds else {
            return Err(ModelError::Request("this model has no classes".into()));
        };
        one_hot(labels.iter().copied(), classes, "class")
    }
}

/// The network's weights.
impl WeightStore for ClassModel {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        self.weights.tensor(name)
    }

    fn digest(&self) -> [u8; 32] {
        self.weights.digest()
    }
}
