//! Finished batches on disk, so that an evaluation goes on where it was interrupted.
//!
//! A row has a folder `rows/NAME` with `settings.json`, which says how its images are made, and a file for each finished
//! batch. Files appear whole or not at all. A folder with other settings is an error, never overwritten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::rows::Row;
use crate::error::{Error, Result};
use crate::output::OutputDir;

const SETTINGS: &str = "settings.json";

/// Everything that decides which images a folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fixed {
    /// The row.
    pub row: Option<Row>,
    /// Digest of the model's weights.
    pub model: String,
    /// Digest of what is asked for.
    pub wishes: String,
    /// Seed.
    pub seed: u64,
    /// Images of a batch.
    pub batch: usize,
}

/// A finished batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Images `[n, h, w, c]`.
    pub images: Vec<f32>,
    /// Seconds it took.
    pub seconds: f64,
    /// Bytes between client and server, on shares.
    pub online_bytes: u64,
    /// Bytes from the dealer, on shares.
    pub offline_bytes: u64,
}

/// The folder of a row.
pub struct Store {
    path: PathBuf,
    dir: OutputDir,
}

impl Store {
    /// Opens or makes the folder.
    pub fn open(out: &Path, name: &str, fixed: &Fixed) -> Result<Self> {
        let path = out.join("rows").join(name);
        let dir = OutputDir::prepare(&path)?;
        let file = path.join(SETTINGS);
        let json = serde_json::to_string_pretty(fixed).map_err(|e| Error::output(&file, &e.into()))?;
        match std::fs::read_to_string(&file) {
            Ok(found) if serde_json::from_str::<Fixed>(&found).is_ok_and(|f| f == *fixed) => {}
            Ok(_) => {
                let what = "holds images of another model, seed, batch size or list of wishes; \
                            choose another folder with --out, or remove this one";
                return Err(Error::Output { path, what: what.into() });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => dir.write(SETTINGS, json.as_bytes())?,
            Err(e) => return Err(Error::output(&file, &e)),
        }
        Ok(Self { path, dir })
    }

    fn file(index: usize) -> String {
        format!("batch-{index:05}.safetensors")
    }

    /// Whether a batch of that many values is there; a damaged one is an error.
    pub fn has(&self, index: usize, values: usize) -> Result<bool> {
        Ok(self.load(index)?.is_some_and(|b| b.images.len() == values))
    }

    /// A batch, if it is there.
    pub fn load(&self, index: usize) -> Result<Option<Batch>> {
        let path = self.path.join(Self::file(index));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::output(&path, &e)),
        };
        let bad = |e: String| Error::input(&path, format!("not a finished batch ({e}); remove it to make it again"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let figures = header.metadata().clone().unwrap_or_default();
        let figure = |name: &str| figures.get(name).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let images = file.tensor("images").map_err(|e| bad(e.to_string()))?;
        if images.dtype() != Dtype::F32 {
            return Err(bad("images are no floats".into()));
        }
        let images = images.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let [online_bytes, offline_bytes] = ["online_bytes", "offline_bytes"].map(|n| figure(n) as u64);
        Ok(Some(Batch { images, seconds: figure("seconds"), online_bytes, offline_bytes }))
    }

    /// Stores a batch of images of these extents.
    pub fn save(&self, index: usize, extents: [usize; 3], batch: &Batch) -> Result<()> {
        let name = Self::file(index);
        let bad = |e: safetensors::SafeTensorError| Error::Output { path: self.path.join(&name), what: e.to_string() };
        let bytes: Vec<u8> = batch.images.iter().flat_map(|v| v.to_le_bytes()).collect();
        let [h, w, c] = extents;
        let shape = vec![batch.images.len() / (h * w * c), h, w, c];
        let images = TensorView::new(Dtype::F32, shape, &bytes).map_err(bad)?;
        let figures = HashMap::from([
            ("seconds".to_owned(), batch.seconds.to_string()),
            ("online_bytes".to_owned(), batch.online_bytes.to_string()),
            ("offline_bytes".to_owned(), batch.offline_bytes.to_string()),
        ]);
        let file = safetensors::serialize([("images", images)], Some(figures)).map_err(bad)?;
        self.dir.write(&name, &file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Fixed {
        Fixed { row: None, model: "m".into(), wishes: "w".into(), seed: 1, batch: 2 }
    }

    #[test]
    fn batches_come_back_and_other_settings_are_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(dir.path(), "row", &fixed()).expect("new");
        let batch =
            Batch { images: vec![0.5, -1.0, 0.25, 1.5], seconds: 1.25, online_bytes: 7, offline_bytes: 1 << 40 };
        assert_eq!(store.load(0).expect("readable"), None);
        store.save(0, [1, 2, 1], &batch).expect("writable");
        let again = Store::open(dir.path(), "row", &fixed()).expect("the same settings");
        assert_eq!(again.load(0).expect("readable"), Some(batch));
        let has = |index, values| again.has(index, values).expect("readable");
        assert!(has(0, 4) && !has(0, 2) && !has(1, 4));
        let text = match Store::open(dir.path(), "row", &Fixed { seed: 2, ..fixed() }) {
            Ok(_) => panic!("other settings were accepted"),
            Err(e) => e.one_line(),
        };
        assert!(text.contains("--out"), "{text}");
    }

    #[test]
    fn a_damaged_batch_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(dir.path(), "row", &fixed()).expect("new");
        std::fs::write(dir.path().join("rows/row/batch-00003.safetensors"), b"half").expect("temporary file");
        let text = store.load(3).expect_err("damaged").one_line();
        assert!(text.contains("batch-00003") && text.contains("remove it"), "{text}");
        assert!(store.has(3, 4).is_err());
    }
}
