//! What an evaluation found, as `eval.json` holds it.

use serde::{Deserialize, Serialize};

use super::rows::Row;
use super::statistics::Estimate;
use crate::report::Adapter;

/// Name and version of the format.
pub const SCHEMA: &str = "masque.eval/2";

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the rows are.
    pub title: String,
    /// Command line.
    pub command: String,
    /// Name of the model's folder.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_digest: String,
    /// The adapter that computed.
    pub adapter: Adapter,
    /// Images of each row.
    pub images: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// The judge's folder and number of classes.
    pub judge: Option<String>,
    /// What the distance is a distance of, never plain "FID".
    pub distance: Option<String>,
    /// One entry for each row.
    pub rows: Vec<Found>,
}

/// What was found of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Name of the row.
    pub name: String,
    /// Its settings.
    pub row: Row,
    /// Seconds for all images.
    pub seconds: f64,
    /// Share of images that show what was asked for.
    pub accuracy: Option<Estimate>,
    /// F1 averaged over the classes that were asked for.
    pub f1: Option<Estimate>,
    /// Of the images whose unconditional sibling shows another class, the share that shows that class.
    pub drift: Option<Estimate>,
    /// Frechet distance to real images, of the features that [`Report::distance`] names.
    pub distance: Option<Estimate>,
    /// Mean cosine of image and prompt, by CLIP.
    pub clip: Option<Estimate>,
    /// Peak signal-to-noise ratio to the same images with exact functions and no method, in dB; for a row on shares to its
    /// plaintext sibling, if that was evaluated too. Absent for identical images.
    pub psnr_db: Option<f64>,
    /// Mean structural similarity to these.
    pub ssim: Option<f64>,
    /// What the two were measured against.
    pub against: Option<String>,
    /// Share of values beyond 1.05 in magnitude.
    pub outside: f64,
    /// Images with values that are no numbers.
    pub broken: usize,
    /// Bytes between client and server, both directions; 0 in plaintext.
    pub online_bytes: u64,
    /// Bytes from the dealer; 0 in plaintext.
    pub offline_bytes: u64,
    /// What the paper has in that place.
    pub paper: Option<String>,
}
