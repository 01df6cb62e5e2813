//! The unconditional chains on disk. A chain depends on the model, the scheduler, the steps and an image's noise, never on what
//! is asked for: it is computed once and serves every later job.
//!
//! A file holds one image's chain: magic, SHA-256 of the rest, predictions of all steps as little-endian `f32`. Its name is the
//! digest of all it depends on. A file that is damaged is computed again; one that cannot be written is no reason to fail.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::EngineError;
use crate::output::write_whole;

const MAGIC: &[u8; 8] = b"MSQCHN1\n";

/// A folder with chains, or none.
#[derive(Clone, Debug)]
pub struct Chains {
    folder: Option<PathBuf>,
}

impl Chains {
    /// Chains in this folder; nothing is kept if there is none.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder: folder.map(|f| f.join("chains")) }
    }

    /// The predictions of every step for a batch whose images have these keys, each chain of `len` numbers a step. `compute` makes
    /// those of the images with these positions.
    pub fn batch(
        &self,
        keys: &[[u8; 32]],
        steps: usize,
        len: usize,
        compute: impl FnOnce(&[usize]) -> Result<Vec<Vec<f32>>, EngineError>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut chains: Vec<Option<Vec<f32>>> = keys.iter().map(|key| self.read(key, steps * len)).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|i| chains[*i].is_none()).collect();
        if !missing.is_empty() {
            let computed = compute(&missing)?;
            if computed.len() != steps || computed.iter().any(|step| step.len() != missing.len() * len) {
                return Err("the chain without a condition has another length than the job".into());
            }
            for (at, image) in missing.into_iter().enumerate() {
                let chain: Vec<f32> =
                    computed.iter().flat_map(|step| &step[at * len..(at + 1) * len]).copied().collect();
                self.write(&keys[image], &chain);
                chains[image] = Some(chain);
            }
        }
        let step =
            |i: usize| chains.iter().flatten().flat_map(|chain| &chain[i * len..(i + 1) * len]).copied().collect();
        Ok((0..steps).map(step).collect())
    }

    fn file(&self, key: &[u8; 32]) -> Option<PathBuf> {
        let name: String = key.iter().map(|b| format!("{b:02x}")).collect();
        Some(self.folder.as_ref()?.join(format!("{name}.chain")))
    }

    fn read(&self, key: &[u8; 32], len: usize) -> Option<Vec<f32>> {
        let file = self.file(key)?;
        let bytes = fs::read(&file).ok()?;
        let whole = |bytes: &[u8]| -> Option<Vec<f32>> {
            let rest = bytes.strip_prefix(MAGIC)?;
            let (digest, data) = rest.split_first_chunk::<32>()?;
            (data.len() == len * size_of::<f32>() && *digest == <[u8; 32]>::from(Sha256::digest(data)))
                .then(|| data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        };
        let chain = whole(&bytes);
        match &chain {
            Some(_) => tracing::debug!("chain without a condition taken from {}", file.display()),
            None => tracing::warn!("{} is damaged and is computed again", file.display()),
        }
        chain
    }

    fn write(&self, key: &[u8; 32], chain: &[f32]) {
        let Some(file) = self.file(key) else { return };
        let data: Vec<u8> = chain.iter().flat_map(|x| x.to_le_bytes()).collect();
        let bytes = [&MAGIC[..], &Sha256::digest(&data), &data].concat();
        let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(e) = folder.and_then(|()| write_whole(&file, &bytes)) {
            tracing::warn!("a chain without a condition is not kept: {}: {e}", file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps of three numbers for images whose keys are these bytes; counts what was computed.
    fn batch(chains: &Chains, keys: &[u8], computed: &mut Vec<usize>) -> Vec<Vec<f32>> {
        let all: Vec<[u8; 32]> = keys.iter().map(|k| [*k; 32]).collect();
        let value = |step: usize, image: usize, at: usize| (100 * step + 10 * usize::from(keys[image]) + at) as f32;
        let made = chains.batch(&all, 2, 3, |missing| {
            computed.extend(missing);
            let step = |s: usize| missing.iter().flat_map(|i| (0..3).map(move |at| (s, *i, at))).collect::<Vec<_>>();
            Ok((0..2).map(|s| step(s).into_iter().map(|(s, i, at)| value(s, i, at)).collect()).collect())
        });
        let made = made.expect("chains");
        for (step, found) in made.iter().enumerate() {
            let wanted: Vec<f32> =
                (0..keys.len()).flat_map(|i| (0..3).map(move |at| (i, at))).map(|(i, at)| value(step, i, at)).collect();
            assert_eq!(*found, wanted);
        }
        made
    }

    #[test]
    fn what_is_there_is_not_computed_again() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let chains = Chains::new(Some(dir.path().to_owned()));
        let mut computed = vec![];
        batch(&chains, &[1, 2], &mut computed);
        assert_eq!(computed, [0, 1]);
        computed.clear();
        batch(&chains, &[2, 3, 1], &mut computed);
        assert_eq!(computed, [1]);
        // A damaged file is computed again; so is all without a folder.
        let file = chains.file(&[3; 32]).expect("a folder");
        let mut bytes = fs::read(&file).expect("written");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&file, bytes).expect("writable");
        computed.clear();
        batch(&chains, &[2, 3, 1], &mut computed);
        assert_eq!(computed, [1]);
        computed.clear();
        batch(&Chains::new(None), &[2, 3, 1], &mut computed);
        assert_eq!(computed, [0, 1, 2]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_failure() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("writable");
        let mut computed = vec![];
        batch(&Chains::new(Some(file)), &[1], &mut computed);
        assert_eq!(computed, [0]);
    }
}
