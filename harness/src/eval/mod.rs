//! `harness eval`: the paper's experiments. Rows of images that differ in functions, guidance or method and share their noise
//! and their wishes; what a judge says of them, and how far they are from the exact ones.
//!
//! [`rows`] says what is compared, [`generate`] makes images and keeps them ([`store`]), [`measure`] turns them into a
//! [`report::Report`], which [`table`] and [`page`] show.

pub mod clip;
pub mod fid;
pub mod generate;
pub mod inception;
pub mod judge;
pub mod markdown;
pub mod measure;
pub mod page;
pub mod paper;
pub mod plot;
pub mod real;
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
    /// Weights of Inception v3 for the distance; none for the judge's features.
    pub features: Option<PathBuf>,
    /// Folder of a CLIP model that scores images against prompts.
    pub clip: Option<PathBuf>,
    /// Real images, or their moments.
    pub real: Option<PathBuf>,
    /// Device.
    pub gpu: GpuConfig,
    /// Folder for results.
    pub out: PathBuf,
    /// Folder for the images of rows.
    pub kept: PathBuf,
    /// Page in Markdown whose section of the name of `out` becomes these results.
    pub markdown: Option<PathBuf>,
    /// No progress.
    pub quiet: bool,
}

impl Config {
    /// The batches of every row, for images of that many values.
    pub fn batches(&self, values: usize) -> Vec<(store::Place, &[wishes::Asked])> {
        let place = |(index, wishes): (usize, &[wishes::Asked])| store::Place {
            index,
            wishes: wishes::digests(wishes),
            values: wishes.len() * values,
        };
        self.wishes.chunks(self.batch).enumerate().map(|(i, wishes)| (place((i, wishes)), wishes)).collect()
    }
}

/// Where the noise of an image comes from.
pub fn origin(seed: u64, image: usize) -> Origin {
    Origin { seed: seed.wrapping_add((image / SESSION) as u64), image: (image % SESSION) as u64 }
}
