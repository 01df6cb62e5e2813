//! `scheduler/scheduler_config.json` of diffusers' `DDIMScheduler`.

use std::path::Path;

use serde_json::Value;

use super::Fields;
use crate::ModelError;

/// How the noise variances run over the training steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetaSchedule {
    /// Linearly.
    Linear,
    /// Their roots linearly (Stable Diffusion).
    ScaledLinear,
    /// Such that the signal follows a squared cosine.
    SquaredCosine,
}

/// Which training steps are used for sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// `0, r, 2r, ..` plus an offset.
    Leading,
    /// `T - 1, T - 1 - r, ..`
    Trailing,
    /// Evenly from `0` to `T - 1`, both included.
    Linspace,
}

/// A `DDIMScheduler`, as far as it is supported.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    /// Number `T` of training steps.
    pub num_train_timesteps: usize,
    /// First variance.
    pub beta_start: f64,
    /// Last variance.
    pub beta_end: f64,
    /// How the variances run in between.
    pub beta_schedule: BetaSchedule,
    /// Whether the image is predicted within bounds, and which.
    pub clip_sample: Option<f32>,
    /// Whether the last step ends without any noise; otherwise with that of training step 0.
    pub set_alpha_to_one: bool,
    /// Added to the steps of [`Spacing::Leading`].
    pub steps_offset: usize,
    /// Which training steps are used.
    pub timestep_spacing: Spacing,
}

impl SchedulerConfig {
    /// Reads and checks a `scheduler_config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        f.only("_class_name", "DDIMScheduler")?;
        f.only("prediction_type", "epsilon")?;
        f.only("thresholding", false)?;
        f.only("rescale_betas_zero_snr", false)?;
        f.only("trained_betas", Value::Null)?;
        f.ignore(&["dynamic_thresholding_ratio", "sample_max_value", "skip_prk_steps"]);
        let betas = [
            ("linear", BetaSchedule::Linear),
            ("scaled_linear", BetaSchedule::ScaledLinear),
            ("squaredcos_cap_v2", BetaSchedule::SquaredCosine),
        ];
        let spacings =
            [("leading", Spacing::Leading), ("trailing", Spacing::Trailing), ("linspace", Spacing::Linspace)];
        let clip = f.or("clip_sample", true)?;
        let range = f.or("clip_sample_range", 1.0)?;
        let config = Self {
            num_train_timesteps: f.number("num_train_timesteps", 1000, 1, 1 << 20)?,
            beta_start: f.or("beta_start", 0.0001)?,
            beta_end: f.or("beta_end", 0.02)?,
            beta_schedule: f.choice("beta_schedule", BetaSchedule::Linear, &betas)?,
            clip_sample: clip.then_some(range),
            set_alpha_to_one: f.or("set_alpha_to_one", true)?,
            steps_offset: f.number("steps_offset", 0, 0, 1 << 20)?,
            timestep_spacing: f.choice("timestep_spacing", Spacing::Leading, &spacings)?,
        };
        for (field, beta) in [("beta_start", config.beta_start), ("beta_end", config.beta_end)] {
            if !(beta > 0.0 && beta < 1.0) {
                return Err(f.error(field, format!("{beta} is not between 0 and 1")));
            }
        }
        if !(range > 0.0 && range.is_finite()) {
            return Err(f.error("clip_sample_range", format!("{range} is not a positive number")));
        }
        f.finish()?;
        Ok(config)
    }
}
