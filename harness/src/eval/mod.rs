//! `harness eval`: the paper's experiments. Rows of images that differ in functions, guidance or method and share their noise
//! and their wishes; what a judge says of them, and how far they are from the exact ones.
//!
//! [`rows`] says what is compared, [`generate`] makes images and keeps them ([`store`]), [`measure`] turns them into a
//! [`report::Report`], which [`table`] and [`page`] show.

mod eigen;
pub mod fid;
pub mod generate;
pub mod judge;
pub mod measure;
pub mod page;
pub mod paper;
pub mod report;
pub mod rows;
pub mod ssim;
pub mod statistics;
pub mod store;
pub mod stress;
pub mod table;
pub mod wishes;

use std::path::PathBuf;

use masque_models::Origin;

use crate::config::GpuConfig;

/// Images of a session on shares. Image `i` starts from the noise of image `i % 4` under seed `seed + i / 4`, whatever the
/// batch, so that `harness run` with that seed draws the same.
pub const SESSION: usize = 4;

/// An evaluation, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The model's folder.
    pub model: PathBuf,
    /// The rows, and what the paper says of each.
    pub rows: Vec<(rows::Row, Option<String>)>,
    /// What the rows are, for headings.
    pub title: String,
    /// What every image is asked to show.
    pub wishes: Vec<wishes::Asked>,
    /// Images computed at once.
    pub batch: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// Folder of the classifier that judges.
    pub judge: Option<PathBuf>,
    /// Real images, or their moments.
    pub real: Option<PathBuf>,
    /// Device.
    pub gpu: GpuConfig,
    /// Folder for results.
    pub out: PathBuf,
    /// No progress.
    pub quiet: bool,
}

/// Where the noise of an image comes from.
pub fn origin(seed: u64, image: usize) -> Origin {
    Origin { seed: seed.wrapping_add((image / SESSION) as u64), image: (image % SESSION) as u64 }
}
