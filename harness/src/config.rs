//! Settings as the engine needs them: every value checked, nothing left to interpret.
//!
//! The flags (what was typed) are structs in `cmd/`; the structs here are what they mean. A `*Config` that exists has
//! passed every check that needs no GPU and no peer.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use masque_engine::protocol::RowMaximum;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::subject::Subject;

/// Most images of one job: the width of the number in `image-0000.png`.
pub const MOST_IMAGES: u32 = 10_000;

/// A value that must not reach logs, errors or files: its `Debug` form says nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Which functions stand in for SiLU, GeLU, exp and their like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Approx {
    /// The functions themselves (plaintext only)
    Exact,
    /// High-degree piecewise polynomials
    Precise,
    /// Low-degree piecewise polynomials, repaired by the guidance
    #[default]
    Loose,
    /// CipherDM's exponential
    CipherDm,
}

/// Reading of the weight w_t = sigma_t / alpha_t in the guidance term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// sqrt(1 - abar_t) / sqrt(abar_t)
    Snr,
    /// sqrt(beta_t) / (1 - beta_t)
    Beta,
    /// As beta, with the betas of the shortened schedule
    #[default]
    Respaced,
}

/// Whether the model runs on shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// On shares, between client, server and dealer
    #[default]
    Secure,
    /// In f32 on one adapter, for comparison
    Plain,
}

/// How attention finds the maxima of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Max {
    /// By comparisons on shares; nothing is learnt
    #[default]
    Secure,
    /// In the clear: the client sees every logit, the server the maximum of every row
    Revealed,
}

impl From<Max> for RowMaximum {
    fn from(max: Max) -> Self {
        match max {
            Max::Secure => Self::Secure,
            Max::Revealed => Self::Revealed,
        }
    }
}

impl Max {
    /// What becomes known beyond the protocol's default, as a sentence.
    pub fn leaks(self) -> Option<&'static str> {
        RowMaximum::from(self).leaks()
    }
}

impl fmt::Display for Max {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secure => "secure",
            Self::Revealed => "revealed",
        })
    }
}

/// Which form of the integer kernels runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// Native where the adapter has 64-bit integers
    #[default]
    Auto,
    /// 64-bit integers
    Native,
    /// Pairs of 32-bit words
    Portable,
}

/// How an adapter was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// Position in `harness devices`.
    Index(usize),
    /// Part of its name, in any case.
    Name(String),
}

impl FromStr for AdapterChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.trim() {
            "" => Err("expected an index or a part of an adapter's name".into()),
            name => Ok(name.parse().map_or_else(|_| Self::Name(name.into()), Self::Index)),
        }
    }
}

/// Where and how kernels run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuConfig {
    /// The adapter; the engine's choice if absent.
    pub adapter: Option<AdapterChoice>,
    /// The kernel variant.
    pub kernels: Kernels,
    /// Bytes of device memory for weights that stay there; no bound if absent.
    pub memory: Option<u64>,
}

/// Guidance towards the condition and away from the approximation's error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guidance {
    /// Classifier-free guidance in diffusers' convention, `1 + w_cfg`; 1 is none.
    pub scale: f32,
    /// Strength of the unconditional-score guidance; 0 is none.
    pub eta: f32,
    /// Reading of its weight.
    pub weight: Weight,
}

impl Guidance {
    /// Refuses numbers that no sampler can use.
    pub fn check(self) -> Result<Self> {
        if !self.scale.is_finite() || self.scale < 1.0 {
            return Err(Error::Setting(format!(
                "--guidance-scale {} is out of range; give 1 (no classifier-free guidance) or more",
                self.scale
            )));
        }
        if !self.eta.is_finite() || self.eta < 0.0 {
            return Err(Error::Setting(format!(
                "--guidance-eta {} is out of range; give 0 (no guidance) or more, for example 0.1",
                self.eta
            )));
        }
        Ok(self)
    }
}

/// Where the other roles are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Threads of this process, over TCP on loopback.
    InProcess,
    /// Other processes, possibly on other hosts.
    Remote {
        /// `HOST:PORT` of the server.
        server: String,
        /// `HOST:PORT` of the dealer.
        dealer: String,
    },
}

/// A generation job.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The model.
    pub model: Model,
    /// What is drawn.
    pub subject: Subject,
    /// Images drawn at once; those of classes all are.
    pub at_once: usize,
    /// Each image's number in its file's name, where the job is a batch that can be taken up again.
    pub batch: Option<Vec<usize>>,
    /// Sampler steps.
    pub steps: u32,
    /// Seed of the initial noise; public.
    pub seed: u64,
    /// Approximation set.
    pub approx: Approx,
    /// How row maxima are found on shares; nothing in plaintext.
    pub maximum: Option<Max>,
    /// Guidance.
    pub guidance: Guidance,
    /// On shares or in plaintext.
    pub mode: Mode,
    /// Where the other roles are; meaningless in plaintext.
    pub transport: Transport,
    /// Longest silence of a peer.
    pub stall: Duration,
    /// Device.
    pub gpu: GpuConfig,
    /// Folder of what is kept between runs, if anything is.
    pub cache: Option<PathBuf>,
    /// INSECURE fixed keys, for tests.
    pub test_keys: Option<Secret<u64>>,
    /// Whether to run the plaintext comparison as well. Never true where this process has no weights.
    pub fidelity: bool,
    /// Folder for the results, known to be writable.
    pub out: PathBuf,
    /// No progress, no summary.
    pub quiet: bool,
    /// The report on standard output; no HTML.
    pub json_only: bool,
}

impl RunConfig {
    /// Number of images.
    pub fn images(&self) -> usize {
        self.subject.images()
    }

    /// The number in the name of an image's file.
    pub fn number(&self, at: usize) -> usize {
        self.batch.as_ref().map_or(at, |numbers| numbers[at])
    }

    /// The same job for the images at these positions only.
    pub fn part(&self, positions: &[usize]) -> Self {
        let batch = self.batch.as_ref().map(|numbers| positions.iter().map(|at| numbers[*at]).collect());
        Self { subject: self.subject.part(positions), batch, ..self.clone() }
    }
}

/// A dealer.
#[derive(Clone, Debug)]
pub struct DealerConfig {
    /// `HOST:PORT` to listen on.
    pub listen: String,
    /// How row maxima are found in the sessions that it takes part in.
    pub maximum: Max,
    /// Longest silence of a peer.
    pub stall: Duration,
    /// Device.
    pub gpu: GpuConfig,
    /// INSECURE fixed keys, for tests.
    pub test_keys: Option<Secret<u64>>,
    /// Sessions before it exits; endless if absent.
    pub sessions: Option<u32>,
}

/// A server.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// `HOST:PORT` to listen on.
    pub listen: String,
    /// `HOST:PORT` of the dealer.
    pub dealer: String,
    /// The model whose weights it holds.
    pub model: Model,
    /// How row maxima are found in the sessions that it takes part in.
    pub maximum: Max,
    /// Folder of what is kept between runs, if anything is.
    pub cache: Option<PathBuf>,
    /// Longest silence of a peer.
    pub stall: Duration,
    /// Device.
    pub gpu: GpuConfig,
    /// INSECURE fixed keys, for tests.
    pub test_keys: Option<Secret<u64>>,
    /// Sessions before it exits; endless if absent.
    pub sessions: Option<u32>,
}

/// A request for a plan.
#[derive(Clone, Debug)]
pub struct PlanConfig {
    /// The model.
    pub model: Model,
    /// Images of one batch.
    pub count: u32,
    /// Approximation set.
    pub approx: Approx,
}

/// Refuses functions that do not exist on shares.
pub fn check_secure(approx: Approx) -> Result<()> {
    match approx {
        Approx::Exact => Err(Error::Setting(
            "--approx exact exists in plaintext only; use --mode plain, or --approx precise on shares".into(),
        )),
        _ => Ok(()),
    }
}

/// Refuses a number of images that cannot be.
pub fn check_count(count: u32) -> Result<u32> {
    match count {
        1..=MOST_IMAGES => Ok(count),
        _ => Err(Error::Setting(format!("--count {count} is out of range; give a number from 1 to {MOST_IMAGES}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_no_debug_form() {
        assert_eq!(format!("{:?}", Secret(vec![7_u32])), "[secret]");
    }

    #[test]
    fn adapters_by_index_or_name() {
        assert_eq!("1".parse(), Ok(AdapterChoice::Index(1)));
        assert_eq!("llvmpipe".parse(), Ok(AdapterChoice::Name("llvmpipe".into())));
        assert!("  ".parse::<AdapterChoice>().is_err());
    }

    #[test]
    fn guidance_must_be_usable() {
        let good = Guidance { scale: 1.0, eta: 0.0, weight: Weight::Snr };
        assert!(good.check().is_ok());
        for scale in [f32::NAN, f32::INFINITY, 0.5] {
            assert!(Guidance { scale, ..good }.check().is_err());
        }
        for eta in [f32::NAN, f32::NEG_INFINITY, -0.1] {
            assert!(Guidance { eta, ..good }.check().is_err());
        }
    }

    #[test]
    fn names_in_reports_are_those_of_the_flags() {
        for approx in Approx::value_variants() {
            let flag = approx.to_possible_value().expect("no variant is hidden").get_name().to_owned();
            assert_eq!(serde_json::to_value(approx).expect("a plain enum"), serde_json::Value::String(flag));
        }
    }
}
