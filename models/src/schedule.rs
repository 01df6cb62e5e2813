//! DDIM sampling (Song, Meng and Ermon, <https://arxiv.org/abs/2010.02502>) with `eta = 0`, step by step as diffusers
//! 0.42 computes it.

use crate::ModelError;
use crate::config::{BetaSchedule, SchedulerConfig, Spacing};

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
/// next = x0 * x0 + eps * eps + sample * sample
/// ```
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
}

impl Clip {
    /// What a scheduler's configuration asks for.
    pub fn of(config: &SchedulerConfig) -> Self {
        config.clip_sample.map_or(Clip::Off, Clip::Sample)
    }
}

impl Schedule {
    /// The schedule with that many sampling steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, ModelError> {
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
        let last = if config.set_alpha_to_one { 1.0 } else { alphas_cumprod[0] };
        let timesteps = timesteps(config, steps)?;
        let steps = (timesteps.iter())
            .map(|&t| {
                let prev = (t as usize).checked_sub(total / steps);
                let (beta, abar) = (betas[t as usize], alphas_cumprod[t as usize]);
                let abar_prev = prev.map_or(last, |p| alphas_cumprod[p]);
                Step { t, beta: beta.into(), abar: abar.into(), abar_prev: abar_prev.into() }
            })
            .collect();
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

fn timesteps(config: &SchedulerConfig, n: usize) -> Result<Vec<u32>, ModelError> {
    let total = config.num_train_timesteps;
    let ts: Vec<usize> = match config.timestep_spacing {
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
        let (x0, eps, sample) = match clip {
            Clip::Off => (0.0, s_prev - a_prev * s / a, a_prev / a),
            Clip::Sample(_) => (a_prev, s_prev, 0.0),
            Clip::Rederive(_) => (a_prev - s_prev * a / s, 0.0, s_prev / s),
        };
        Update { x0_sample, x0_eps, x0, eps, sample }
    }
}

/// The next sample, computed on plaintext in 32 bits and in the order of operations of diffusers. Elements beyond the
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
