//! What is drawn: the client's secret, and what text-to-image models are told besides.

use std::fmt;

use masque_models::{Origin, Place, Sampler};
use serde::{Deserialize, Serialize};

use crate::config::{Approx, Secret};

/// What one image shows, in words. Its `Debug` form says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What to draw.
    pub text: String,
    /// What to keep away from; empty if nothing. Without classifier-free guidance it is not looked at.
    pub negative: String,
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a job draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// The class of each image.
    Classes(Secret<Vec<u32>>),
    /// A text-to-image job.
    Prompts {
        /// What each image shows.
        prompts: Secret<Vec<Prompt>>,
        /// Where each image's noise comes from; public.
        origins: Vec<Origin>,
        /// Settings beside those of every model.
        text: TextSettings,
    },
}

impl Subject {
    /// Number of images.
    pub fn images(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.0.len(),
            Self::Prompts { prompts, .. } => prompts.0.len(),
        }
    }

    /// The images at these positions only.
    pub fn part(&self, positions: &[usize]) -> Self {
        fn pick<T: Clone>(all: &[T], positions: &[usize]) -> Vec<T> {
            positions.iter().map(|at| all[*at].clone()).collect()
        }
        match self {
            Self::Classes(classes) => Self::Classes(Secret(pick(&classes.0, positions))),
            Self::Prompts { prompts, origins, text } => Self::Prompts {
                prompts: Secret(pick(&prompts.0, positions)),
                origins: pick(origins, positions),
                text: *text,
            },
        }
    }
}

/// Settings of text-to-image models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSettings {
    /// How predictions become samples.
    pub sampler: Sampler,
    /// Where the text encoder runs.
    pub text_encoder: Place,
    /// Where the decoder runs.
    pub vae: Place,
    /// Approximation set of the text encoder.
    pub approx_text: Approx,
    /// Approximation set of the decoder.
    pub approx_vae: Approx,
}
