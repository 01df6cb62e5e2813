//! Configurations of known models, for folders that are made instead of downloaded.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use masque_engine::graph::WeightSpec;

use crate::weight_rule::{self, Precision};
use crate::whole::{failed, whole};
use crate::{ModelError, Network, StableDiffusionConfig};

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
        StableDiffusionConfig::parse(StableDiffusionConfig::FILES.map(text))
    }

    /// The model's networks with the sizes that it was trained for.
    pub fn networks(&self) -> Result<Vec<Network>, ModelError> {
        Ok(self.config()?.networks())
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

    /// Writes a model's folder with weights by the rule, and the tokenizer of another folder if one is given. Files appear
    /// when they are complete. What is there already, complete and the same, is kept; another file in its place is an error.
    pub fn write(
        &self,
        folder: &Path,
        precision: Precision,
        tokenizer: Option<&Path>,
        progress: &mut dyn FnMut(Written<'_>),
    ) -> Result<(), ModelError> {
        for (path, text) in self.files {
            keep_or_write(&folder.join(path), text.as_bytes())?;
        }
        if let Some(from) = tokenizer {
            let tokens = self.config()?.tokens();
            for (name, text) in tokenizer_files(from, tokens)? {
                keep_or_write(&folder.join("tokenizer").join(name), &text)?;
            }
        }
        let all = self.weights()?;
        let total = all.iter().map(|(.., specs)| weight_rule::header(specs, precision).1).sum();
        let mut done = 0;
        for (file, tag, specs) in all {
            let path = folder.join(file);
            let (header, bytes) = weight_rule::header(&specs, precision);
            if !complete(&path, &header, bytes)? {
                let mut count = |n: usize| {
                    done += n as u64;
                    progress(Written { file, done, total });
                };
                whole(&path, |out| {
                    weight_rule::write(&mut Counted { out, count: &mut count }, &tag, &specs, precision)
                })?;
            } else {
                done += bytes;
            }
            progress(Written { file, done, total });
        }
        Ok(())
    }
}

/// How far the weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    /// File at work.
    pub file: &'a str,
    /// Bytes of all weight files that are there.
    pub done: u64,
    /// Bytes that they will have.
    pub total: u64,
}

/// Counts what is written.
struct Counted<'a, W> {
    out: W,
    count: &'a mut dyn FnMut(usize),
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        (self.count)(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The files of a tokenizer, with the length that its model takes.
fn tokenizer_files(from: &Path, tokens: usize) -> Result<Vec<(&'static str, Vec<u8>)>, ModelError> {
    let mut files = Vec::new();
    for name in ["vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"] {
        let path = from.join(name);
        let mut text = match fs::read(&path) {
            // These two may be absent.
            Err(e) if e.kind() == io::ErrorKind::NotFound && name.contains("token") => continue,
            text => text.map_err(|e| failed(&path, e))?,
        };
        if name == "tokenizer_config.json" {
            let bad = |e: serde_json::Error| ModelError::Json { file: path.display().to_string(), what: e.to_string() };
            let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).map_err(bad)?;
            fields.insert("model_max_length".into(), tokens.into());
            text = serde_json::to_vec_pretty(&fields).map_err(bad)?;
        }
        files.push((name, text));
    }
    Ok(files)
}

/// Whether a file of weights is there already, by its length and header; another one is not overwritten.
fn complete(path: &Path, header: &[u8], bytes: u64) -> Result<bool, ModelError> {
    let Some(mut file) = open(path)? else { return Ok(false) };
    let mut start = vec![0; header.len()];
    let len = file.metadata().map_err(|e| failed(path, e))?.len();
    if len == bytes && file.read_exact(&mut start).is_ok() && start == header {
        return Ok(true);
    }
    Err(in_the_way(path))
}

/// Writes a small file unless it is there.
fn keep_or_write(path: &Path, text: &[u8]) -> Result<(), ModelError> {
    let mut there = Vec::new();
    match open(path)? {
        None => whole(path, |out| out.write_all(text)),
        Some(mut file) => match file.read_to_end(&mut there).map_err(|e| failed(path, e)) {
            Ok(_) if there == text => Ok(()),
            Ok(_) => Err(in_the_way(path)),
            Err(e) => Err(e),
        },
    }
}

fn open(path: &Path) -> Result<Option<File>, ModelError> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(|e| failed(path, e)),
    }
}

fn in_the_way(path: &Path) -> ModelError {
    let what = "another file is there already; remove it or choose an empty folder";
    failed(path, io::Error::new(io::ErrorKind::AlreadyExists, what))
}
