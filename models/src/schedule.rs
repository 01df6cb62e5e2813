//! Samplers, step by step as diffusers 0.42 computes them: DDIM (Song, Meng and Ermon, <https://arxiv.org/abs/2010.02502>)
//! with `eta = 0`, DDPM as in the paper's Algorithm 1, and two for models distilled to few steps.

use std::fmt;
use std::str::FromStr;

use crate::ModelError;
use crate::config::{BetaSchedule, Consistency, SchedulerConfig, Spacing};

/// How a prediction becomes the next sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// DDIM without noise.
    #[default]
    Ddim,
    /// The update of Algorithm 1 with the respaced `alpha' = abar / abar_prev` and `beta' = 1 - alpha'`.
    Ddpm,
    /// The update of Algorithm 1 as printed, with the one-step `alpha_t` and `beta_t` of the training schedule whatever the
    /// stride: images come out dull and noisy. For comparison only.
    DdpmPrinted,
    /// Multistep consistency sampling, diffusers' `LCMScheduler` (Luo et al., <https://arxiv.org/abs/2310.04378>).
    Lcm,
    /// DDIM from the last training step to a clean image, as phased consistency models are sampled (Wang et al.,
    /// <https://arxiv.org/abs/2405.18407>).
    Pcm,
}

impl Sampler {
    /// All samplers.
    pub const ALL: [Sampler; 5] = [Sampler::Ddim, Sampler::Ddpm, Sampler::DdpmPrinted, Sampler::Lcm, Sampler::Pcm];

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Sampler::Ddim => "ddim",
            Sampler::Ddpm => "ddpm",
            Sampler::DdpmPrinted => "ddpm-printed",
            Sampler::Lcm => "lcm",
            Sampler::Pcm => "pcm",
        }
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Sampler {
    type Err = ModelError;

    fn from_str(s: &str) -> Result<Self, ModelError> {
        Sampler::ALL.into_iter().find(|w| w.name() == s).ok_or_else(|| {
            let known = Sampler::ALL.map(Sampler::name).join(", ");
            ModelError::Request(format!("unknown sampler {s:?}; known: {known}"))
        })
    }
}

/// The steps of a sampler.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Noise variance of every training step.
    pub betas: Vec<f32>,
    /// Share of the signal's power left after every training step.
    pub alphas_cumprod: Vec<f32>,
    /// Training steps used, descending.
    pub timesteps: Vec<u32>,
    /// One entry per timestep.
    pub steps: Vec<Step>,
}

/// One sampling step: from noise level `t` to the next lower one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Training step.
    pub t: u32,
    /// `beta_t`
    pub beta: f64,
    /// `abar_t`
    pub abar: f64,
    /// `abar` of the level the step leads to.
    pub abar_prev: f64,
    /// Whether no step follows.
    pub last: bool,
    /// How the next sample is made.
    pub rule: Rule,
}

/// What is done with a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Denoise and put back what the prediction says.
    Ddim,
    /// The mean of the reversed process, plus fresh noise.
    Ddpm,
    /// As [`Rule::Ddpm`] with the training schedule's own variance.
    DdpmPrinted,
    /// `skip sample + out image`, plus fresh noise.
    Consistency {
        /// Factor of the sample.
        skip: f64,
        /// Factor of the predicted image.
        out: f64,
    },
}

/// Whether the predicted image `x0` is clipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Not at all.
    Off,
    /// To `[-r, r]`; the prediction `eps` stays as it is. What diffusers does (`use_clipped_model_output=False`).
    Sample(f32),
    /// To `[-r, r]`, and `eps` is derived again from the clipped image (`use_clipped_model_output=True`).
    Rederive(f32),
}

/// The public scalars of a step:
///
/// ```text
/// x0   = clip(x0_sample * sample + x0_eps * eps)
/// next = x0 * x0 + eps * eps + sample * sample + noise * n
/// ```
///
/// with standard normal `n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Factor of the sample in the predicted image.
    pub x0_sample: f64,
    /// Factor of the prediction in the predicted image.
    pub x0_eps: f64,
    /// Factor of the clipped image in the next sample; 0 if nothing is clipped.
    pub x0: f64,
    /// Factor of the prediction in the next sample.
    pub eps: f64,
    /// Factor of the sample in the next sample.
    pub sample: f64,
    /// Factor of fresh noise in the next sample.
    pub noise: f64,
}

impl Update {
    /// The next value of one element.
    pub fn apply(&self, clip: Clip, sample: f64, eps: f64, noise: f64) -> f64 {
        let x0 = self.x0_sample * sample + self.x0_eps * eps;
        let x0 = match clip {
            Clip::Off => x0,
            Clip::Sample(r) | Clip::Rederive(r) => x0.clamp(-f64::from(r), f64::from(r)),
        };
        self.x0 * x0 + self.eps * eps + self.sample * sample + self.noise * noise
    }
}

impl Clip {
    /// What a scheduler's configuration asks for.
    pub fn of(config: &SchedulerConfig) -> Self {
        config.clip_sample.map_or(Clip::Off, Clip::Sample)
    }
}

impl Schedule {
    /// The DDIM schedule with that many sampling steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, ModelError> {
        Self::with(config, Sampler::Ddim, steps)
    }

    /// The schedule of a sampler with that many sampling steps.
    pub fn with(config: &SchedulerConfig, sampler: Sampler, steps: usize) -> Result<Self, ModelError> {
        let total = config.num_train_timesteps;
        if steps == 0 || steps > total {
            return Err(ModelError::Request(format!("{steps} steps asked for, possible are 1..={total}")));
        }
        let betas = betas(config);
        // torch.cumprod accumulates 32-bit floats in 64 bits
        let mut product = 1.0;
        let alphas_cumprod: Vec<f32> = (betas.iter())
            .map(|b| {
                product *= (1.0 - b) as f64;
                product as f32
            })
            .collect();
        if alphas_cumprod.last().is_none_or(|a| *a <= 0.0) {
            return Err(ModelError::Request("no signal is left at the end of the noise schedule".into()));
        }
        let clean = config.set_alpha_to_one || matches!(sampler, Sampler::Lcm | Sampler::Pcm);
        let end = if clean { 1.0 } else { alphas_cumprod[0] };
        let consistency = config.consistency.unwrap_or_default();
        let timesteps = match sampler {
            Sampler::Lcm => distilled_timesteps(total, &consistency, steps)?,
            Sampler::Pcm => timesteps(config, Spacing::Trailing, steps)?,
            _ => timesteps(config, config.timestep_spacing, steps)?,
        };
        let step = |(i, &t): (usize, &u32)| {
            let last = i + 1 == timesteps.len();
            let prev = match sampler {
                // As the list goes, which need not be even.
                Sampler::Lcm => timesteps.get(i + 1).map(|t| *t as usize),
                _ => (t as usize).checked_sub(total / steps),
            };
            let (beta, abar) = (betas[t as usize], alphas_cumprod[t as usize]);
            let abar_prev = prev.map_or(end, |p| alphas_cumprod[p]);
            let rule = match sampler {
                Sampler::Ddim | Sampler::Pcm => Rule::Ddim,
                Sampler::Ddpm => Rule::Ddpm,
                Sampler::DdpmPrinted => Rule::DdpmPrinted,
                Sampler::Lcm => consistency.rule(t),
            };
            Step { t, beta: beta.into(), abar: abar.into(), abar_prev: abar_prev.into(), last, rule }
        };
        let steps = timesteps.iter().enumerate().map(step).collect();
        Ok(Self { betas, alphas_cumprod, timesteps, steps })
    }
}

fn betas(config: &SchedulerConfig) -> Vec<f32> {
    let (n, start, end) = (config.num_train_timesteps, config.beta_start, config.beta_end);
    match config.beta_schedule {
        BetaSchedule::Linear => linspace(start as f32, end as f32, n),
        BetaSchedule::ScaledLinear => {
            linspace(start.sqrt() as f32, end.sqrt() as f32, n).iter().map(|b| b * b).collect()
        }
        BetaSchedule::SquaredCosine => {
            let signal = |i: usize| {
                let angle = (i as f64 / n as f64 + 0.008) / 1.008 * std::f64::consts::PI / 2.0;
                libm::cos(angle).powi(2)
            };
            (0..n).map(|i| (1.0 - signal(i + 1) / signal(i)).min(0.999) as f32).collect()
        }
    }
}

/// As torch: in 32 bits, from both ends to the middle, with fused multiply-adds.
fn linspace(start: f32, end: f32, n: usize) -> Vec<f32> {
    let step = (end - start) / (n.max(2) - 1) as f32;
    let at = |i| {
        if i < n / 2 || n == 1 { step.mul_add(i as f32, start) } else { (-step).mul_add((n - 1 - i) as f32, end) }
    };
    (0..n).map(at).collect()
}

impl Consistency {
    /// The boundary condition of consistency models: at step 0 the sample itself.
    fn rule(&self, t: u32) -> Rule {
        const DATA: f64 = 0.5;
        let t = f64::from(t) * self.timestep_scaling;
        let variance = t * t + DATA * DATA;
        Rule::Consistency { skip: DATA * DATA / variance, out: t / variance.sqrt() }
    }
}

/// Evenly chosen from the steps of the distillation, the last training step first.
fn distilled_timesteps(total: usize, consistency: &Consistency, n: usize) -> Result<Vec<u32>, ModelError> {
    let original = consistency.original_inference_steps.min(total);
    if n > original {
        let what = format!("{n} steps asked for, consistency sampling has 1..={original}");
        return Err(ModelError::Request(what));
    }
    let stride = total / original;
    let index = |i: usize| (i as f64 * (original as f64 / n as f64)).floor() as usize;
    Ok((0..n).map(|i| ((original - index(i)) * stride - 1) as u32).collect())
}

fn timesteps(config: &SchedulerConfig, spacing: Spacing, n: usize) -> Result<Vec<u32>, ModelError> {
    let total = config.num_train_timesteps;
    let ts: Vec<usize> = match spacing {
        Spacing::Leading => (0..n).rev().map(|i| i * (total / n) + config.steps_offset).collect(),
        Spacing::Linspace => {
            let step = (total - 1) as f64 / (n.max(2) - 1) as f64;
            (0..n).rev().map(|i| (i as f64 * step).round_ties_even() as usize).collect()
        }
        // numpy's arange takes its stride from its first two elements. For some n (61, 103, ..) it returns one element
        // more, with which diffusers would go on to step -1; it is left out here
        Spacing::Trailing => {
            let first = total as f64;
            let stride = (first - first / n as f64) - first;
            (0..n).map(|i| ((first + i as f64 * stride).round_ties_even() as usize).saturating_sub(1)).collect()
        }
    };
    match ts.iter().max() {
        Some(&t) if t >= total => Err(ModelError::Request(format!(
            "{n} steps with steps_offset {} begin at step {t}, beyond the last training step {}",
            config.steps_offset,
            total - 1
        ))),
        _ => Ok(ts.into_iter().map(|t| t as u32).collect()),
    }
}

impl Step {
    /// The step as a linear combination, with the predicted image clipped in between or not.
    pub fn update(&self, clip: Clip) -> Update {
        let (a, s) = (self.abar.sqrt(), (1.0 - self.abar).sqrt());
        let (a_prev, s_prev) = (self.abar_prev.sqrt(), (1.0 - self.abar_prev).sqrt());
        let (x0_sample, x0_eps) = (1.0 / a, -s / a);
        let (x0, eps, sample, noise) = match (self.rule, clip) {
            (Rule::Ddim, Clip::Off) => (0.0, s_prev - a_prev * s / a, a_prev / a, 0.0),
            (Rule::Ddim, Clip::Sample(_)) => (a_prev, s_prev, 0.0, 0.0),
            (Rule::Ddim, Clip::Rederive(_)) => (a_prev - s_prev * a / s, 0.0, s_prev / s, 0.0),
            (Rule::Ddpm, _) => self.reversed(1.0 - self.abar / self.abar_prev, clip, s * s),
            // Printed with sqrt(1 - alpha_t) for the deviation of the noise, where alpha_t = 1 - beta_t.
            (Rule::DdpmPrinted, _) => self.reversed(self.beta, clip, self.beta),
            (Rule::Consistency { skip, out }, clip) => {
                // The last step ends with the image itself.
                let (p, noise) = if self.last { (1.0, 0.0) } else { (a_prev, s_prev) };
                match clip {
                    Clip::Off => (0.0, p * out * x0_eps, p * (out * x0_sample + skip), noise),
                    _ => (p * out, 0.0, p * skip, noise),
                }
            }
        };
        Update { x0_sample, x0_eps, x0, eps, sample, noise }
    }

    /// `(sample - beta / sqrt(variance) eps) / sqrt(1 - beta) + sqrt(beta) n`; with a clipped image `eps` is derived again.
    fn reversed(&self, beta: f64, clip: Clip, variance: f64) -> (f64, f64, f64, f64) {
        let (root, gain) = ((1.0 - beta).sqrt(), beta / variance.sqrt());
        let noise = if self.last { 0.0 } else { beta.sqrt() };
        let (a, s) = (self.abar.sqrt(), (1.0 - self.abar).sqrt());
        match clip {
            Clip::Off => (0.0, -gain / root, 1.0 / root, noise),
            _ => (gain * a / s / root, 0.0, (1.0 - gain / s) / root, noise),
        }
    }
}

/// The next sample of DDIM, computed on plaintext in 32 bits and in the order of operations of diffusers. Elements beyond the
/// shorter of the two slices are ignored.
pub fn ddim_step(step: &Step, sample: &[f32], eps: &[f32], clip: Clip) -> Vec<f32> {
    let (abar, abar_prev) = (step.abar as f32, step.abar_prev as f32);
    let (a, s) = (abar.sqrt(), (1.0 - abar).sqrt());
    let (a_prev, s_prev) = (abar_prev.sqrt(), (1.0 - abar_prev).sqrt());
    let next = |(&x, &e): (&f32, &f32)| {
        let x0 = (x - s * e) / a;
        let (x0, e) = match clip {
            Clip::Off => (x0, e),
            Clip::Sample(r) => (x0.max(-r).min(r), e),
            Clip::Rederive(r) => {
                let x0 = x0.max(-r).min(r);
                (x0, (x - a * x0) / s)
            }
        };
        a_prev * x0 + s_prev * e
    };
    sample.iter().zip(eps).map(next).collect()
}
