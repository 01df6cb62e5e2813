//! Configurations of known models, for folders that are made instead of downloaded.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use masque_engine::graph::WeightSpec;

use crate::config::{ClipTextConfig, SchedulerConfig, UNet2dConditionConfig, VaeConfig};
use crate::weight_rule::{self, Precision};
use crate::{ModelError, StableDiffusionConfig};

/// A module's weight file, the tag of its rule, and what the file holds.
pub type ModuleWeights = (&'static str, String, Vec<WeightSpec>);

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

    /// The model's weights: file in its folder, tag of the rule, tensors. The autoencoder's are those of its decoder.
    pub fn weights(&self) -> Result<[ModuleWeights; 3], ModelError> {
        let config = self.config()?;
        let tag = |part: &str| format!("{}-{part}", self.name);
        Ok([
            ("text_encoder/model.safetensors", tag("text"), config.text_graph(1)?.weights()),
            ("unet/diffusion_pytorch_model.safetensors", tag("unet"), config.unet_graph(1)?.weights()),
            ("vae/diffusion_pytorch_model.safetensors", tag("vae"), config.vae_graph(1)?.weights()),
        ])
    }

    /// Writes a model's folder with weights by the rule, and the tokenizer of another folder if one is given; shows each
    /// file and its bytes. Files appear when they are complete.
    pub fn write(
        &self,
        folder: &Path,
        precision: Precision,
        tokenizer: Option<&Path>,
        wrote: &mut dyn FnMut(&str, u64),
    ) -> Result<(), ModelError> {
        for (path, text) in self.files {
            write(&folder.join(path), |out| out.write_all(text.as_bytes()).map(|()| text.len() as u64))?;
        }
        for name in ["vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"] {
            if let Some(from) = tokenizer.map(|t| t.join(name)).filter(|from| from.is_file()) {
                let copy = |out: &mut BufWriter<File>| io::copy(&mut File::open(&from)?, out);
                write(&folder.join("tokenizer").join(name), copy)?;
            }
        }
        for (path, tag, specs) in self.weights()? {
            let bytes = write(&folder.join(path), |out| weight_rule::write(out, &tag, &specs, precision))?;
            wrote(path, bytes);
        }
        Ok(())
    }
}

/// Writes a file under another name and renames it.
fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<u64>) -> Result<u64, ModelError> {
    let bad = |source| ModelError::Read { file: path.display().to_string(), source };
    let part = path.with_extension("part");
    let run = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut out = BufWriter::new(File::create(&part)?);
        let bytes = fill(&mut out)?;
        out.flush()?;
        fs::rename(&part, path)?;
        Ok(bytes)
    };
    run().map_err(bad)
}
