//! Which pictures in a folder belong to a batch, so that an interrupted batch is taken up where it ended.
//!
//! `batch.json` holds digests of everything that each finished picture depends on: its prompt, seed and settings, the model's
//! configuration and tokenizer, and for all of them together the model's weights. A folder's name and place do not matter.
//! Pictures are kept if the digests are those of the present job, and nothing of another job is ever written over.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::images;
use crate::output::{LEDGER, OutputDir};
use crate::subject::Subject;

/// Name and version of the format.
const SCHEMA: &str = "masque.batch/2";

/// Files of a model that decide, beside its weights, what it draws. Not every model has all of them.
const FILES: [&str; 8] = [
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "unet/config.json",
    "vae/config.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
];

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    schema: String,
    /// Digest of the weights.
    weights: Option<String>,
    /// Digest by number of the picture.
    images: BTreeMap<usize, String>,
}

/// The ledger of a folder.
#[derive(Debug)]
pub struct Ledger<'a> {
    out: &'a OutputDir,
    file: File,
    /// Digest of the present model's [`FILES`].
    model: String,
}

impl<'a> Ledger<'a> {
    /// Reads the folder's ledger. Where there is none the folder is made ready for a new batch.
    pub fn open(out: &'a OutputDir, model: &Path) -> Result<Self> {
        let path = out.join(LEDGER);
        let file = match fs::read(&path) {
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes).map_err(|e| unreadable(out, &e.to_string()))?;
                if file.schema != SCHEMA {
                    return Err(unreadable(out, &format!("schema {:?} where {SCHEMA:?} is expected", file.schema)));
                }
                file
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                out.begin()?;
                File { schema: SCHEMA.into(), ..File::default() }
            }
            Err(e) => return Err(Error::output(&path, &e)),
        };
        tracing::debug!(finished = file.images.len(), "batch");
        Ok(Self { out, file, model: configuration(model)? })
    }

    /// Hears which weights draw. Refuses others than those of the pictures that are there.
    pub fn weights(&mut self, digest: [u8; 32]) -> Result<()> {
        let now = hex(&digest);
        match &self.file.weights {
            Some(earlier) if *earlier != now && !self.file.images.is_empty() => {
                let what = "its pictures were drawn with other weights of the model; choose another folder with --out, or \
                            remove it to draw them again";
                Err(Error::Output { path: self.out.join(LEDGER), what: what.into() })
            }
            _ => {
                self.file.weights = Some(now);
                Ok(())
            }
        }
    }

    /// Positions of the images that are still to be drawn.
    pub fn left(&self, config: &RunConfig) -> Result<Vec<usize>> {
        let mut left = Vec::new();
        for at in 0..config.images() {
            let number = config.number(at);
            let file = self.out.join(&images::file_name(number));
            match self.file.images.get(&number) {
                Some(digest) if file.is_file() && *digest == self.digest_of(config, at) => {}
                Some(_) if file.is_file() => {
                    let what = "it was drawn with another prompt, seed, setting or model; choose another folder with --out, \
                                or remove it to draw it again";
                    return Err(Error::Output { path: file, what: what.into() });
                }
                _ => left.push(at),
            }
        }
        Ok(left)
    }

    /// Notes that the pictures at these positions are written.
    pub fn add(&mut self, config: &RunConfig, positions: &[usize]) -> Result<()> {
        let entry = |at: &usize| (config.number(*at), self.digest_of(config, *at));
        let entries: Vec<_> = positions.iter().map(entry).collect();
        self.file.images.extend(entries);
        self.save()
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.file);
        let text = text.map_err(|e| unreadable(self.out, &e.to_string()))?;
        self.out.write(LEDGER, text.as_bytes())
    }

    /// Digest of everything that a picture depends on, except the weights.
    fn digest_of(&self, config: &RunConfig, at: usize) -> String {
        let mut h = Sha256::new();
        let mut text = |part: &str| {
            h.update((part.len() as u64).to_le_bytes());
            h.update(part);
        };
        text(&self.model);
        let (mode, approx, maximum) = (config.mode, config.approx, config.maximum);
        text(&format!("{mode:?};{approx:?};{maximum:?};{};{:?}", config.steps, config.guidance));
        match &config.subject {
            Subject::Classes(classes) => text(&format!("{};{};{}", config.seed, config.number(at), classes.0[at])),
            Subject::Prompts { prompts, origins, text: settings } => {
                text(&format!("{settings:?};{:?}", origins[at]));
                text(&prompts.0[at].text);
                text(&prompts.0[at].negative);
            }
        }
        hex(&h.finalize())
    }
}

/// Digest of a model's [`FILES`].
fn configuration(model: &Path) -> Result<String> {
    let mut h = Sha256::new();
    for name in FILES {
        let path = model.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                h.update(name);
                h.update(Sha256::digest(&bytes));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::model(&path, format!("cannot be read: {e}"))),
        }
    }
    Ok(hex(&h.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unreadable(out: &OutputDir, what: &str) -> Error {
    let what = format!("not the ledger of a batch: {what}; choose another folder with --out");
    Error::Output { path: out.join(LEDGER), what }
}
