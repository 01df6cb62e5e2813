//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use crate::ModelError;

/// The error that a file cannot be written or read.
pub(crate) fn failed(path: &Path, source: io::Error) -> ModelError {
    ModelError::Read { file: path.display().to_string(), source }
}

/// Writes a file under another name and renames it when it is complete.
pub(crate) fn whole<T>(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> Result<T, ModelError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let run = || {
        let mut out = BufWriter::new(File::create(&part)?);
        let value = fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, path)?;
        Ok(value)
    };
    run().map_err(|e| {
        let _ = fs::remove_file(&part);
        failed(path, e)
    })
}
