//! Finished batches on disk, so that an evaluation goes on where it was interrupted.
//!
//! A row has a folder of its name with `settings.json`, which says how its images are made, and a file for each finished
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
    /// Seed.
    pub seed: u64,
    /// Images of a batch.
    pub batch: usize,
}

/// Which batch: its place, and what its images were asked to show. More images of the same list go on where fewer ended, and
/// fewer are the first of them.
#[derive(Clone, Debug)]
pub struct Place {
    /// Number of the batch.
    pub index: usize,
    /// Digests of what is asked for, of one image after the other.
    pub wishes: String,
    /// Values of all its images.
    pub values: usize,
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
    pub fn open(rows: &Path, name: &str, fixed: &Fixed) -> Result<Self> {
        let path = rows.join(name);
        let dir = OutputDir::prepare(&path)?;
        let file = path.join(SETTINGS);
        let json = serde_json::to_string_pretty(fixed).map_err(|e| Error::output(&file, &e.into()))?;
        match std::fs::read_to_string(&file) {
            Ok(found) if serde_json::from_str::<Fixed>(&found).is_ok_and(|f| f == *fixed) => {}
            Ok(_) => {
                let what = "holds images of another model, seed or batch size; \
                            choose another folder with --out or --kept, or remove this one";
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

    /// Whether a batch is there; a damaged one, or one of other wishes, is an error.
    pub fn has(&self, place: &Place) -> Result<bool> {
        Ok(self.load(place)?.is_some())
    }

    /// A batch, if all of it is there. A shorter one was the last of fewer images; it is made again. Of a longer one the first
    /// images, with their part of what it took.
    pub fn load(&self, place: &Place) -> Result<Option<Batch>> {
        let Some((mut batch, wishes)) = self.read(place.index)? else { return Ok(None) };
        if batch.images.len() < place.values {
            return Ok(None);
        }
        let part = place.values as f64 / batch.images.len().max(1) as f64;
        batch.images.truncate(place.values);
        batch.seconds *= part;
        for bytes in [&mut batch.online_bytes, &mut batch.offline_bytes] {
            *bytes = (*bytes as f64 * part).round() as u64;
        }
        if !wishes.starts_with(&place.wishes) {
            let what = "holds images of other wishes; choose another folder with --out or --kept, or remove this one";
            return Err(Error::Output { path: self.path.join(Self::file(place.index)), what: what.into() });
        }
        Ok(Some(batch))
    }

    fn read(&self, index: usize) -> Result<Option<(Batch, String)>> {
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
        let wishes = figures.get("wishes").cloned().unwrap_or_default();
        Ok(Some((Batch { images, seconds: figure("seconds"), online_bytes, offline_bytes }, wishes)))
    }

    /// Stores a batch of images of these extents.
    pub fn save(&self, place: &Place, extents: [usize; 3], batch: &Batch) -> Result<()> {
        let name = Self::file(place.index);
        let bad = |e: safetensors::SafeTensorError| Error::Output { path: self.path.join(&name), what: e.to_string() };
        let bytes: Vec<u8> = batch.images.iter().flat_map(|v| v.to_le_bytes()).collect();
        let [h, w, c] = extents;
        let shape = vec![batch.images.len() / (h * w * c), h, w, c];
        let images = TensorView::new(Dtype::F32, shape, &bytes).map_err(bad)?;
        let figures = HashMap::from([
            ("wishes".to_owned(), place.wishes.clone()),
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
        Fixed { row: None, model: "m".into(), seed: 1, batch: 2 }
    }

    fn place(index: usize, values: usize) -> Place {
        Place { index, wishes: "w".into(), values }
    }

    #[test]
    fn batches_come_back_and_other_settings_are_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(dir.path(), "row", &fixed()).expect("new");
        let batch =
            Batch { images: vec![0.5, -1.0, 0.25, 1.5], seconds: 1.25, online_bytes: 7, offline_bytes: 1 << 40 };
        assert_eq!(store.load(&place(0, 4)).expect("readable"), None);
        store.save(&place(0, 4), [1, 2, 1], &batch).expect("writable");
        let again = Store::open(dir.path(), "row", &fixed()).expect("the same settings");
        assert_eq!(again.load(&place(0, 4)).expect("readable"), Some(batch));
        assert!(!again.has(&place(1, 4)).expect("readable"));
        assert!(!again.has(&place(0, 6)).expect("readable"), "the last batch of fewer images is made again");
        let half = again.load(&place(0, 2)).expect("readable").expect("the first image");
        assert_eq!((half.images, half.seconds, half.offline_bytes), (vec![0.5, -1.0], 0.625, 1 << 39));
        for other in [place(0, 2), place(0, 4)].map(|p| Place { wishes: "v".into(), ..p }) {
            let text = again.has(&other).expect_err("other wishes").one_line();
            assert!(text.contains("other wishes") && text.contains("--out"), "{text}");
        }
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
        std::fs::write(dir.path().join("row/batch-00003.safetensors"), b"half").expect("temporary file");
        let text = store.load(&place(3, 4)).expect_err("damaged").one_line();
        assert!(text.contains("batch-00003") && text.contains("remove it"), "{text}");
        assert!(store.has(&place(3, 4)).is_err());
    }
}
