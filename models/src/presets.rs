//! Configurations of known models, for folders that are made instead of downloaded.

use crate::config::{ClipTextConfig, SchedulerConfig, UNet2dConditionConfig, VaeConfig};
use crate::{ModelError, StableDiffusionConfig};

/// A model's configuration files as diffusers lays them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Name on the command line, and prefix of the tags in [`crate::weight_rule`].
    pub name: &'static str,
    /// Paths in the model's folder, and texts.
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../presets/", $folder, "/", $path)))),*]
    };
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    // As published at https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5, with its DDIM settings.
    Preset {
        name: "sd15",
        files: files!(
            "sd15": "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "unet/config.json",
            "vae/config.json"
        ),
    },
];

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Result<&'static Preset, ModelError> {
        PRESETS.iter().find(|p| p.name == name).ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            ModelError::Request(format!("no configuration is called {name:?}; known: {}", known.join(", ")))
        })
    }

    /// The configurations.
    pub fn config(&self) -> Result<StableDiffusionConfig, ModelError> {
        let text = |path: &str| self.files.iter().find(|(p, _)| *p == path).map_or("{}", |(_, text)| *text);
        let (unet, vae, encoder) = ("unet/config.json", "vae/config.json", "text_encoder/config.json");
        let scheduler = "scheduler/scheduler_config.json";
        StableDiffusionConfig {
            text: ClipTextConfig::parse(encoder, text(encoder))?,
            unet: UNet2dConditionConfig::parse(unet, text(unet))?,
            vae: VaeConfig::parse(vae, text(vae))?,
            scheduler: SchedulerConfig::parse(scheduler, text(scheduler))?,
        }
        .checked()
    }
}
