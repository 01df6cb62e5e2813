//! Which pictures in a folder belong to a batch, so that an interrupted batch is taken up where it ended.
//!
//! `batch.json` holds a digest of everything that each finished picture depends on. A picture is kept if its digest is that of
//! the present job, and nothing of another job is ever written over.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{Batch, RunConfig};
use crate::error::{Error, Result};
use crate::images;
use crate::output::{LEDGER, OutputDir};
use crate::subject::Subject;

/// Name and version of the format.
const SCHEMA: &str = "masque.batch/1";

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    schema: String,
    /// Digest by number of the picture.
    images: BTreeMap<usize, String>,
}

/// The ledger of a folder.
#[derive(Debug)]
pub struct Ledger<'a> {
    out: &'a OutputDir,
    file: File,
}

impl<'a> Ledger<'a> {
    /// Reads the folder's ledger. Where there is none the folder is made ready for a new batch.
    pub fn open(out: &'a OutputDir, batch: &Batch) -> Result<Self> {
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
                File { schema: SCHEMA.into(), images: BTreeMap::new() }
            }
            Err(e) => return Err(Error::output(&path, &e)),
        };
        tracing::debug!(images = batch.numbers.len(), finished = file.images.len(), "batch");
        Ok(Self { out, file })
    }

    /// Positions of the images that are still to be drawn.
    pub fn left(&self, config: &RunConfig) -> Result<Vec<usize>> {
        let mut left = Vec::new();
        for at in 0..config.images() {
            let number = config.number(at);
            let file = self.out.join(&images::file_name(number));
            match self.file.images.get(&number) {
                Some(digest) if file.is_file() && *digest == digest_of(config, at) => {}
                Some(_) if file.is_file() => {
                    let what = "it was drawn with another prompt, seed or setting; choose another folder with --out, or \
                                remove it to draw it again";
                    return Err(Error::Output { path: file, what: what.into() });
                }
                _ => left.push(at),
            }
        }
        Ok(left)
    }

    /// Notes that the pictures at these positions are written.
    pub fn add(&mut self, config: &RunConfig, positions: &[usize]) -> Result<()> {
        let entry = |at: &usize| (config.number(*at), digest_of(config, *at));
        self.file.images.extend(positions.iter().map(entry));
        self.save()
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.file);
        let text = text.map_err(|e| unreadable(self.out, &e.to_string()))?;
        self.out.write(LEDGER, text.as_bytes())
    }
}

fn unreadable(out: &OutputDir, what: &str) -> Error {
    let what = format!("not the ledger of a batch: {what}; choose another folder with --out");
    Error::Output { path: out.join(LEDGER), what }
}

/// Digest of everything that a picture depends on.
fn digest_of(config: &RunConfig, at: usize) -> String {
    let mut h = Sha256::new();
    let mut text = |part: String| {
        h.update((part.len() as u64).to_le_bytes());
        h.update(part);
    };
    text(config.model.name.clone());
    text(format!("{:?};{:?};{};{:?}", config.mode, config.approx, config.steps, config.guidance));
    match &config.subject {
        Subject::Classes(classes) => text(format!("{};{at};{}", config.seed, classes.0[at])),
        Subject::Prompts { prompts, origins, text: settings } => {
            text(format!("{settings:?};{:?}", origins[at]));
            text(prompts.0[at].text.clone());
            text(prompts.0[at].negative.clone());
        }
    }
    h.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
