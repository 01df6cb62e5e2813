//! The flags that all measurements share: where they are made, and where their figures go.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use masque_engine::gpu::Gpu;
use serde::Serialize;

use crate::cli::GpuArgs;
use crate::driver;
use crate::engine::{self, EngineError};
use crate::error::{Error, Result};

/// Flags, as typed.
#[derive(Args, Clone, Debug, Default)]
pub struct FigureArgs {
    /// Show no progress and no table
    #[arg(short, long)]
    pub quiet: bool,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub json: Option<PathBuf>,
    /// Write the table as CSV
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub csv: Option<PathBuf>,
    /// Device flags.
    #[command(flatten)]
    pub gpu: GpuArgs,
}

/// Writes a file that was asked for.
pub(super) fn put(file: Option<&Path>, bytes: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    match file {
        Some(path) => std::fs::write(path, bytes()?).map_err(|e| Error::output(path, &e)),
        None => Ok(()),
    }
}

impl FigureArgs {
    /// Finds out that these files and `others` can be written, before anything is computed.
    pub fn check(&self, others: &[&Option<PathBuf>]) -> Result<()> {
        [&self.json, &self.csv].iter().chain(others).copied().flatten().try_for_each(|file| super::writable(file))
    }

    /// A device for each role: client, server, dealer. The dealer works before the parties do, or at the same time.
    pub fn devices(&self, before: bool) -> std::result::Result<[Arc<Gpu>; 3], EngineError> {
        let choice = engine::adapter_choice(&self.gpu.clone().resolve());
        let open = || Gpu::open(&choice);
        let dealer = if before { driver::alone(open) } else { open() }?;
        Ok([open()?, open()?, dealer])
    }

    /// Writes the figures.
    pub fn write(&self, report: &impl Serialize, csv: impl FnOnce() -> String) -> Result<()> {
        let json = || serde_json::to_vec_pretty(report).map_err(|e| Error::from(EngineError::from(e)));
        put(self.json.as_deref(), json)?;
        put(self.csv.as_deref(), || Ok(csv().into_bytes()))
    }

    /// Prints the table, unless nothing is to be shown.
    pub fn show(&self, text: impl FnOnce() -> String) -> Result<()> {
        if self.quiet { Ok(()) } else { super::print(&text()) }
    }
}
