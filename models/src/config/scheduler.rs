//! `scheduler/scheduler_config.json` of diffusers: the noise schedule of a model, whichever sampler it came with.

use std::path::Path;

use serde_json::Value;

use super::Fields;
use crate::{ModelError, Sampler};

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

/// How a model was distilled to few steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consistency {
    /// Steps of the distillation, of which sampling takes some.
    pub original_inference_steps: usize,
    /// How fast a step's image takes over from its sample.
    pub timestep_scaling: f64,
}

impl Default for Consistency {
    fn default() -> Self {
        Self { original_inference_steps: 50, timestep_scaling: 10.0 }
    }
}

/// A scheduler, as far as it is supported. Those of many classes describe the same noise schedule; samplers of higher order
/// are replaced by DDIM.
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
    /// The sampler that its class stands for.
    pub sampler: Sampler,
    /// For models distilled to few steps.
    pub consistency: Option<Consistency>,
}

/// Classes whose files are understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Ddim,
    Pndm,
    Ddpm,
    Lcm,
}

const CLASSES: [(&str, Class); 4] = [
    ("DDIMScheduler", Class::Ddim),
    ("PNDMScheduler", Class::Pndm),
    ("DDPMScheduler", Class::Ddpm),
    ("LCMScheduler", Class::Lcm),
];

impl SchedulerConfig {
    /// Reads and checks a `scheduler_config.json`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &super::text(path)?)
    }

    /// Checks the text of such a file; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let mut f = Fields::parse(name, text)?;
        let class = f.choice("_class_name", Class::Ddim, &CLASSES)?;
        f.only("prediction_type", "epsilon")?;
        f.only("thresholding", false)?;
        f.only("rescale_betas_zero_snr", false)?;
        f.only("trained_betas", Value::Null)?;
        f.ignore(&["dynamic_thresholding_ratio", "sample_max_value", "skip_prk_steps", "variance_type"]);
        let betas = [
            ("linear", BetaSchedule::Linear),
            ("scaled_linear", BetaSchedule::ScaledLinear),
            ("squaredcos_cap_v2", BetaSchedule::SquaredCosine),
        ];
        let spacings =
            [("leading", Spacing::Leading), ("trailing", Spacing::Trailing), ("linspace", Spacing::Linspace)];
        let distilled = class == Class::Lcm;
        let clip = f.or("clip_sample", matches!(class, Class::Ddim | Class::Ddpm))?;
        let range = f.or("clip_sample_range", 1.0)?;
        let config = Self {
            num_train_timesteps: f.number("num_train_timesteps", 1000, 1, 1 << 20)?,
            beta_start: f.or("beta_start", if distilled { 0.00085 } else { 0.0001 })?,
            beta_end: f.or("beta_end", if distilled { 0.012 } else { 0.02 })?,
            beta_schedule: match distilled {
                true => f.choice("beta_schedule", BetaSchedule::ScaledLinear, &betas)?,
                false => f.choice("beta_schedule", BetaSchedule::Linear, &betas)?,
            },
            clip_sample: clip.then_some(range),
            set_alpha_to_one: f.or("set_alpha_to_one", class != Class::Pndm)?,
            steps_offset: f.number("steps_offset", 0, 0, 1 << 20)?,
            timestep_spacing: f.choice("timestep_spacing", Spacing::Leading, &spacings)?,
            sampler: match class {
                Class::Ddim | Class::Pndm => Sampler::Ddim,
                Class::Ddpm => Sampler::Ddpm,
                Class::Lcm => Sampler::Lcm,
            },
            consistency: match distilled {
                false => None,
                true => {
                    let default = Consistency::default();
                    Some(Consistency {
                        original_inference_steps: f.number(
                            "original_inference_steps",
                            default.original_inference_steps,
                            1,
                            1 << 20,
                        )?,
                        timestep_scaling: f.or("timestep_scaling", default.timestep_scaling)?,
                    })
                }
            },
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
