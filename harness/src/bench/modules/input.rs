//! Where a model's modules come from, and inputs of the usual kind for them.

use std::path::Path;
use std::sync::Arc;

use masque_engine::graph::{WeightStore, elements};
use masque_models::presets::Preset;
use masque_models::weight_rule::RuleWeights;
use masque_models::{
    Extents, Forward, ModelError, ModuleConfig, Network, clip_text, initial_noise, networks, unet2d, unet2d_condition,
    vae_decoder,
};

/// A model's folder, or a known configuration with weights by rule, of which nothing is on disk.
pub enum Source<'a> {
    /// A folder.
    Folder(&'a Path),
    /// A configuration.
    Rule(&'static Preset),
}

impl<'a> Source<'a> {
    /// A folder where there is one, otherwise a name, which may say once more that weights are `-random`.
    pub fn find(model: &'a Path) -> Result<Self, ModelError> {
        if model.is_dir() {
            return Ok(Self::Folder(model));
        }
        let name = model.to_string_lossy();
        let unknown = |e| ModelError::Request(format!("{name} is no folder, and {e}"));
        Preset::named(name.strip_suffix("-random").unwrap_or(&name)).map(Self::Rule).map_err(unknown)
    }

    /// Its networks, in the order in which they run.
    pub fn networks(&self) -> Result<Vec<Network>, ModelError> {
        match self {
            Self::Folder(folder) => networks(folder),
            Self::Rule(preset) => preset.networks(),
        }
    }

    /// A network's weights.
    pub fn weights(&self, network: &Network) -> Result<Arc<dyn WeightStore>, ModelError> {
        match self {
            Self::Folder(folder) => Ok(Arc::new(network.config.weights(folder.join(network.name))?)),
            Self::Rule(preset) => {
                let file = network.config.weight_file();
                let named =
                    |path: &str| path.strip_prefix(network.name).and_then(|p| p.strip_prefix('/')) == Some(&file);
                let found = preset.weights()?.into_iter().find(|(path, ..)| named(path));
                let (_, tag, specs) =
                    found.ok_or_else(|| ModelError::Request(format!("{} has no {}", preset.name, network.name)))?;
                Ok(Arc::new(RuleWeights::new(&tag, specs)))
            }
        }
    }
}

/// Seed of inputs.
const SEED: u64 = 1;
/// The step at which a network is evaluated: in the middle.
const STEP: f32 = 500.0;

/// One evaluation for `n` samples of the usual kind: normal latents, conditions and samples, tokens from all over the
/// table, the first class, a step in the middle. The same in every run.
pub fn example(config: &ModuleConfig, n: usize, extents: Extents) -> Result<Forward, ModelError> {
    let graph = Arc::new(config.graph(n, extents)?);
    let normal = |name: &str| {
        let input = graph.input(name).map(|id| elements(&graph.node(id).shape));
        initial_noise(SEED, 0, input.unwrap_or(0))
    };
    let time = |channels: &[usize], flip, shift| {
        let dim = channels.first().copied().unwrap_or(0);
        unet2d::timestep_features(STEP, dim, flip, shift).repeat(n)
    };
    let inputs = match config {
        ModuleConfig::Text(c) => {
            let spread = |x: f32| ((x.abs() * 1e6) as usize % c.vocab_size) as f32;
            vec![(clip_text::TOKENS, normal(clip_text::TOKENS).into_iter().map(spread).collect())]
        }
        ModuleConfig::Unet(c) => vec![
            (unet2d_condition::SAMPLE, normal(unet2d_condition::SAMPLE)),
            (unet2d_condition::CONTEXT, normal(unet2d_condition::CONTEXT)),
            (unet2d_condition::TIME_FEATURES, time(&c.block_out_channels, c.flip_sin_to_cos, c.freq_shift)),
        ],
        ModuleConfig::ClassUnet(c) => {
            let mut inputs = vec![
                (unet2d::SAMPLE, normal(unet2d::SAMPLE)),
                (unet2d::TIME_FEATURES, time(&c.block_out_channels, c.flip_sin_to_cos, c.freq_shift)),
            ];
            if let Some(classes) = c.num_class_embeds {
                inputs.push((unet2d::CLASS, (0..n * classes).map(|i| f32::from(i % classes == 0)).collect()));
            }
            inputs
        }
        ModuleConfig::Decoder(_) => vec![(vae_decoder::LATENT, normal(vae_decoder::LATENT))],
    };
    Ok(Forward { graph, inputs })
}
