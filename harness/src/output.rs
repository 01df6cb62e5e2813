//! The results folder: found writable before anything is computed, and never left looking finished when it is not.
//!
//! `report.json` is the mark of a finished job. It goes first when a job starts, comes last when it ends, and like every
//! file here it appears whole or not at all (written beside, then renamed).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Name of the report.
pub const REPORT: &str = "report.json";
/// Name of the readable report.
pub const PAGE: &str = "report.html";
/// Name of the ledger of a batch.
pub const LEDGER: &str = "batch.json";
/// Name of the overview picture.
pub const GRID: &str = "grid.png";

/// A folder that results go to. One that was made for a job that then leaves nothing in it goes with it.
#[derive(Debug)]
pub struct OutputDir {
    path: PathBuf,
    made: bool,
}

impl Drop for OutputDir {
    fn drop(&mut self) {
        if self.made {
            // Fails, as it should, unless the folder is empty.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

impl OutputDir {
    /// Makes the folder where it is missing and proves that files can be created in it.
    pub fn prepare(path: &Path) -> Result<Self> {
        let made = !path.exists();
        fs::create_dir_all(path).map_err(|e| hint(path, &e))?;
        let dir = Self { path: path.into(), made };
        let probe = path.join(format!(".probe-{}", std::process::id()));
        File::create_new(&probe).and_then(|mut f| f.write_all(b"?")).map_err(|e| hint(path, &e))?;
        fs::remove_file(&probe).map_err(|e| hint(path, &e))?;
        Ok(dir)
    }

    /// Removes what an earlier job left, the reports first: from now on the folder does not look finished, and whatever
    /// picture is in it is this job's. The pictures of a batch are not for another job to remove.
    pub fn begin(&self) -> Result<()> {
        if self.join(LEDGER).exists() {
            let what = "it holds the pictures of a batch; choose another folder with --out, or remove it";
            return Err(Error::Output { path: self.path.clone(), what: what.into() });
        }
        self.withdraw()?;
        let entries = fs::read_dir(&self.path).map_err(|e| Error::output(&self.path, &e))?;
        for entry in entries {
            let name = entry.map_err(|e| Error::output(&self.path, &e))?.file_name();
            if name.to_str().is_some_and(is_picture) {
                self.remove(&name.to_string_lossy())?;
            }
        }
        Ok(())
    }

    /// Removes reports and overview: the folder does not look finished any more.
    pub fn withdraw(&self) -> Result<()> {
        [REPORT, PAGE, GRID].iter().try_for_each(|name| self.remove(name))
    }

    /// Writes a file so that it is there whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let whole = self.path.join(name);
        write_whole(&whole, bytes).map_err(|e| Error::output(&whole, &e))
    }

    /// Path of a file in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let file = self.path.join(name);
        match fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::output(&file, &e)),
            _ => Ok(()),
        }
    }
}

/// Writes a file beside its place and then moves it there, so that nobody finds half of it.
pub fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let part = file.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = File::create(&part)
        .and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()))
        .and_then(|()| fs::rename(&part, file));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// True for the names that [`crate::images::file_name`] gives.
fn is_picture(name: &str) -> bool {
    let digits = name.strip_prefix("image-").and_then(|n| n.strip_suffix(".png"));
    digits.is_some_and(|d| d.len() >= 4 && d.bytes().all(|b| b.is_ascii_digit()))
}

fn hint(path: &Path, source: &io::Error) -> Error {
    Error::Output { path: path.into(), what: format!("{source}; choose a writable folder with --out") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("readable");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn makes_folders_and_leaves_no_trace() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let deep = dir.path().join("a/b");
        let out = OutputDir::prepare(&deep).expect("can be made");
        assert!(names(&deep).is_empty());
        drop(out);
        assert!(!deep.exists(), "an empty folder was left");
        OutputDir::prepare(&deep).expect("can be made").write(REPORT, b"{}").expect("writable");
        assert_eq!(names(&deep), [REPORT]);
    }

    #[test]
    fn a_file_is_no_folder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("temporary file");
        for path in [file.clone(), file.join("below")] {
            let text = OutputDir::prepare(&path).expect_err("not a folder").one_line();
            assert!(text.contains("--out"), "{text:?} does not say what to do");
        }
    }

    #[test]
    fn earlier_results_go_and_foreign_files_stay() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let out = OutputDir::prepare(dir.path()).expect("writable");
        let all = ["report.json", "report.html", "grid.png", "image-0007.png", "image-mine.png", "notes.txt"];
        for name in all {
            out.write(name, b"old").expect("writable");
        }
        out.begin().expect("removable");
        assert_eq!(names(dir.path()), ["image-mine.png", "notes.txt"]);
        out.begin().expect("nothing to remove is no error");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let out = OutputDir::prepare(dir.path()).expect("writable");
        fs::create_dir(out.join(REPORT)).expect("temporary folder");
        fs::write(out.join(REPORT).join("inside"), "").expect("temporary file");
        assert!(out.write(REPORT, b"{}").is_err(), "a folder is in the way");
        assert_eq!(names(dir.path()), [REPORT]);
    }
}
