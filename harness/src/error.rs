//! What can go wrong in the harness, worded for the person at the terminal.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;

/// Result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// One failure, one sentence: what is wrong and what to do about it.
///
/// Usage errors (unknown flags, values that do not parse) are reported by the argument parser with exit code 2; everything
/// here ends the process with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, or a combination of settings, that cannot work.
    #[error("{0}")]
    Setting(String),
    /// The model folder is not what it should be.
    #[error("model {}: {what}", path.display())]
    Model {
        /// Folder or file at fault.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file that was named cannot be used.
    #[error("{}: {what}", path.display())]
    Input {
        /// File at fault.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Results cannot be written.
    #[error("cannot write {}: {what}", path.display())]
    Output {
        /// Folder or file at fault.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Pixels that are no image.
    #[error("image data: {0}")]
    Images(String),
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
}

impl Error {
    /// An output error with the operating system's reason.
    pub fn output(path: &Path, source: &io::Error) -> Self {
        Self::Output { path: path.into(), what: source.to_string() }
    }

    /// A model error.
    pub fn model(path: &Path, what: impl Into<String>) -> Self {
        Self::Model { path: path.into(), what: what.into() }
    }

    /// An error in a file that was named.
    pub fn input(path: &Path, what: impl Into<String>) -> Self {
        Self::Input { path: path.into(), what: what.into() }
    }

    /// True if the reader of standard output went away, which is no failure of ours.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The error and its causes on one line; a cause that its parent already quotes is not repeated.
    pub fn one_line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(e) = cause {
            let more = e.to_string();
            if !text.contains(&more) {
                let _ = write!(text, ": {more}");
            }
            cause = e.source();
        }
        text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the link broke\n  after 3 frames")]
    struct Outer(#[source] io::Error);

    #[test]
    fn engine_errors_become_one_line_with_their_causes() {
        let engine: EngineError = Box::new(Outer(io::Error::other("connection reset")));
        assert_eq!(Error::from(engine).one_line(), "the link broke; after 3 frames: connection reset");
    }

    #[test]
    fn quoted_causes_are_not_repeated() {
        let e = Error::output(Path::new("out"), &io::Error::other("disk full"));
        assert_eq!(e.one_line(), "cannot write out: disk full");
    }

    #[test]
    fn a_closed_pipe_is_told_apart() {
        assert!(Error::Stdout(io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(!Error::Setting("x".into()).is_broken_pipe());
    }
}
