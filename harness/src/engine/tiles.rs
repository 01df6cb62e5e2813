//! Which tiles products take on this machine's adapters, measured once and kept in the user's cache folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use masque_engine::gpu::{AdapterChoice, AdapterReport, Tiles};
use masque_engine::kernels::tiles::{Timing, fastest, measure};

use super::{EngineError, choice};
use crate::config::GpuConfig;
use crate::output::write_whole;

/// What was measured, by adapter.
type Known = BTreeMap<String, Tiles>;

fn file() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("masque").join("tiles.json"))
}

/// What a measurement holds for: another driver or other kernels may be faster with other tiles.
fn key(a: &AdapterReport) -> String {
    format!("{}, {}, {}, {:?} kernels, masque {}", a.name, a.driver, a.backend, a.kernels, env!("CARGO_PKG_VERSION"))
}

/// What the file holds; one that cannot be read holds nothing.
fn known() -> Known {
    let text = file().and_then(|f| std::fs::read(f).ok()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The tiles of an adapter. A GPU that is not known is measured; software adapters have the built-in rule, which was made on
/// one, unless the user had them measured. Whatever goes wrong here is said where the device is opened.
pub(super) fn of(choice: &AdapterChoice) -> Tiles {
    let Ok(report) = choice.report() else { return Tiles::default() };
    if let Some(tiles) = known().get(&key(&report)) {
        return *tiles;
    }
    if report.kind == "software" {
        return Tiles::default();
    }
    tracing::info!("measuring which tiles products are fastest with on {}", report.name);
    match measured(choice, &report) {
        Ok((timings, _)) => fastest(&timings),
        Err(e) => {
            tracing::warn!("tiles of products were not measured: {e}");
            Tiles::default()
        }
    }
}

/// Measures an adapter, whatever is known of it; the timings, and the file that keeps their outcome.
pub fn calibrate(gpu: &GpuConfig) -> Result<(Vec<Timing>, PathBuf), EngineError> {
    let choice = choice(gpu);
    measured(&choice, &choice.report()?)
}

fn measured(choice: &AdapterChoice, report: &AdapterReport) -> Result<(Vec<Timing>, PathBuf), EngineError> {
    let timings = measure(choice)?;
    let file = file().ok_or("no cache folder: set XDG_CACHE_HOME or HOME")?;
    let mut all = known();
    all.insert(key(report), fastest(&timings));
    let text = serde_json::to_vec_pretty(&all).expect("plain data");
    let folder = file.parent().expect("a folder of ours");
    std::fs::create_dir_all(folder)
        .and_then(|()| write_whole(&file, &text))
        .map_err(|e| format!("{}: {e}", file.display()))?;
    Ok((timings, file))
}
