//! How much of the unconditional score is added.
//!
//! The paper's guidance is `eps + eta w_t (eps_uncond - eps_cond)` with `w_t = sigma_t / alpha_t`. Its section 2.1
//! defines `sigma_t = sqrt(beta_t)` and `alpha_t = 1 - beta_t`, while its derivation needs the usual
//! `sigma_t = sqrt(1 - abar_t)`. Three readings are therefore offered.

use std::fmt;
use std::str::FromStr;

use crate::{ModelError, Step};

/// A reading of `w_t = sigma_t / alpha_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuidanceWeight {
    /// A: `sqrt(1 - abar) / sqrt(abar)`, one over the root of the signal-to-noise ratio. Large at the start: 13 for
    /// Stable Diffusion's schedule, 130 for the linear one.
    Snr,
    /// B: `sqrt(beta) / (1 - beta)`, the letter of section 2.1.
    Beta,
    /// R: as B with the variance of a sampling step, `beta' = 1 - abar / abar_prev`.
    Respaced,
}

impl GuidanceWeight {
    /// All readings.
    pub const ALL: [GuidanceWeight; 3] = [GuidanceWeight::Snr, GuidanceWeight::Beta, GuidanceWeight::Respaced];

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            GuidanceWeight::Snr => "snr",
            GuidanceWeight::Beta => "beta",
            GuidanceWeight::Respaced => "respaced",
        }
    }

    /// `w_t` of one step.
    pub fn at(self, step: &Step) -> f64 {
        let literal = |beta: f64| beta.sqrt() / (1.0 - beta);
        match self {
            GuidanceWeight::Snr => ((1.0 - step.abar) / step.abar).sqrt(),
            GuidanceWeight::Beta => literal(step.beta),
            GuidanceWeight::Respaced => literal(1.0 - step.abar / step.abar_prev),
        }
    }
}

impl fmt::Display for GuidanceWeight {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for GuidanceWeight {
    type Err = ModelError;

    fn from_str(s: &str) -> Result<Self, ModelError> {
        let known = GuidanceWeight::ALL.into_iter().find(|w| w.name() == s);
        known.ok_or_else(|| ModelError::Request(format!("unknown guidance weight {s:?}; known: snr, beta, respaced")))
    }
}
