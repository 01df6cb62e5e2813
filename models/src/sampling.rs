//! Sampling loops: the same steps in plaintext and on shares.

use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::{
    Clamp, ExecError, GuidedStep, Input, Mix, Plain, Plan, Secure, check_ranges, reveal_to_client,
};
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::protocol::{Role, Share, repeat_rows};
use serde::{Deserialize, Serialize};

use crate::config::{SchedulerConfig, UNet2dConfig};
use crate::one_hot::one_hot;
use crate::{Clip, GuidanceWeight, ModelError, Schedule, Step, initial_noise, unet2d};

/// What client, server and dealer know of a job. The condition is not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Images.
    pub count: usize,
    /// Sampler steps.
    pub steps: usize,
    /// Seed of the initial noise, shared by both chains.
    pub seed: u64,
    /// Guidance scale in diffusers' convention; 1 is no classifier-free guidance.
    pub scale: f64,
    /// Strength of the score guidance; 0 is none.
    pub eta: f64,
    /// Reading of its weight.
    pub weight: GuidanceWeight,
    /// Functions of the model.
    pub approx: Approx,
}

/// Why sampling failed.
#[derive(Debug, thiserror::Error)]
pub enum SamplingError {
    /// The model or the request.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The executor.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] masque_engine::gpu::GpuError),
    /// A protocol.
    #[error(transparent)]
    Protocol(#[from] masque_engine::protocol::Error),
}

/// A class-conditional model as all roles know it: network and sampler, no weights.
#[derive(Clone, Debug)]
pub struct Architecture {
    /// The network.
    pub unet: UNet2dConfig,
    /// The sampler.
    pub scheduler: SchedulerConfig,
}

impl Architecture {
    fn classes(&self) -> usize {
        self.unet.num_class_embeds.unwrap_or(0)
    }

    /// Elements of an image.
    pub fn image_len(&self) -> usize {
        self.unet.sample_size.iter().product::<usize>() * self.unet.in_channels
    }

    /// Images of one evaluation: with classifier-free guidance every image twice.
    pub fn batch(&self, job: &Job) -> usize {
        if guided(job) { 2 * job.count } else { job.count }
    }

    /// The graph of one evaluation.
    pub fn graph(&self, job: &Job) -> Result<Arc<Graph>, ModelError> {
        Ok(Arc::new(unet2d::graph(&self.unet, self.batch(job))?))
    }

    fn features(&self, t: u32, n: usize) -> Vec<f32> {
        let c = &self.unet;
        unet2d::timestep_features(t as f32, c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift).repeat(n)
    }

    fn noise(&self, job: &Job) -> Vec<f32> {
        (0..job.count).flat_map(|i| initial_noise(job.seed, i as u64, self.image_len())).collect()
    }

    /// One-hot rows of the conditional half, then of the unconditional half if there is one.
    fn one_hot(&self, job: &Job, labels: &[usize]) -> Result<Vec<f32>, ModelError> {
        let classes = self.classes();
        if classes < 2 {
            return Err(ModelError::Request("this model has no classes".into()));
        }
        let none = vec![classes - 1; if guided(job) { job.count } else { 0 }];
        one_hot([labels, &none].concat().into_iter(), classes, "class")
    }
}

/// Where the scheduler clips, the prediction is derived again from the clipped image (diffusers'
/// `use_clipped_model_output=True`): the step then starts from one consistent pair. With the prediction left as it was the
/// shipped digit model draws broken digits in 50 steps.
pub(crate) fn clip(scheduler: &SchedulerConfig) -> Clip {
    match Clip::of(scheduler) {
        Clip::Sample(r) => Clip::Rederive(r),
        other => other,
    }
}

fn guided(job: &Job) -> bool {
    job.scale != 1.0
}

/// The public scalars of a guided step: with `s` the scale and `g = eta w_t`,
/// `eps = (s - g) e_cond + (1 - s) e_uncond + g e_known`, then the sampler's update.
///
/// Source: paper equation 6 and Algorithm 1, `s = 1 + w_cfg`.
///
/// Fresh noise of stochastic samplers is not part of it: whoever runs the step adds it afterwards.
pub fn guided_step(step: &Step, clip: Clip, job: &Job) -> GuidedStep {
    guided_by(step, clip, &Guidance { scale: job.scale, eta: job.eta, weight: job.weight })
}

/// How the network's predictions are combined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guidance {
    /// Guidance scale in diffusers' convention; 1 is no classifier-free guidance.
    pub scale: f64,
    /// Strength of the score guidance; 0 is none.
    pub eta: f64,
    /// Reading of its weight.
    pub weight: GuidanceWeight,
}

/// As [`guided_step`].
pub fn guided_by(step: &Step, clip: Clip, guidance: &Guidance) -> GuidedStep {
    mixed(step, clip, guidance.scale, guidance.eta * guidance.weight.at(step))
}

/// As [`guided_step`], with the weight `g` of the known prediction.
pub(crate) fn mixed(step: &Step, clip: Clip, scale: f64, g: f64) -> GuidedStep {
    let mix = |sample: f64, eps: f64| Mix {
        sample,
        conditional: eps * (scale - g),
        unconditional: eps * (1.0 - scale),
        known: eps * g,
    };
    let u = step.update(clip);
    // Clipped where the numbers are of the sample's size: sqrt(abar) x0 = sample - sqrt(1 - abar) eps.
    let a = step.abar.sqrt();
    let clamp = match clip {
        Clip::Off => None,
        Clip::Sample(r) | Clip::Rederive(r) => {
            Some(Clamp { mix: mix(u.x0_sample * a, u.x0_eps * a), bound: f64::from(r) * a, gain: u.x0 / a })
        }
    };
    GuidedStep { mix: mix(u.sample, u.eps), clamp }
}

/// The unconditional chain in plaintext with exact functions: the prediction of every step. It depends on model, seed and
/// schedule only, never on a condition. `progress` hears how many steps are done.
pub fn unconditional(
    gpu: Arc<Gpu>,
    model: &Architecture,
    weights: Arc<dyn WeightStore>,
    job: &Job,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f32>>, SamplingError> {
    let alone = Job { scale: 1.0, eta: 0.0, approx: Approx::Exact, ..job.clone() };
    let schedule = Schedule::new(&model.scheduler, job.steps)?;
    let clipping = clip(&model.scheduler);
    let mut plain = Plain::new(gpu, model.graph(&alone)?, weights, Approx::Exact);
    let class = model.one_hot(&alone, &vec![model.classes() - 1; job.count])?;
    let mut x = model.noise(job);
    let mut kept = Vec::with_capacity(job.steps);
    for step in &schedule.steps {
        let time = model.features(step.t, job.count);
        let eps = plain.run(&[("sample", &x), ("time_features", &time), ("class", &class)])?;
        x = apply(&guided_step(step, clipping, &alone), &x, &eps, None);
        kept.push(eps);
        progress(kept.len());
    }
    Ok(kept)
}

pub(crate) fn apply(step: &GuidedStep, x: &[f32], eps: &[f32], known: Option<&[f32]>) -> Vec<f32> {
    let n = x.len();
    (0..n)
        .map(|i| {
            let uncond = eps.get(n + i).copied().unwrap_or(0.0);
            let known = known.map_or(0.0, |k| k[i]);
            step.apply(x[i].into(), eps[i].into(), uncond.into(), known.into()) as f32
        })
        .collect()
}

/// Whether the plan holds the network's values: one evaluation in plaintext, on the first step's noise without a class.
pub fn check_model(
    gpu: Arc<Gpu>,
    model: &Architecture,
    weights: Arc<dyn WeightStore>,
    job: &Job,
    plan: &Plan,
) -> Result<(), SamplingError> {
    let one = Job { count: 1, scale: 1.0, ..job.clone() };
    let schedule = Schedule::new(&model.scheduler, job.steps)?;
    let time = model.features(schedule.steps.first().map_or(0, |s| s.t), 1);
    let class = model.one_hot(&one, &[model.classes() - 1])?;
    let inputs = [("sample", &model.noise(&one)[..]), ("time_features", &time), ("class", &class)];
    Ok(check_ranges(gpu, model.graph(&one)?, weights, plan, &inputs)?)
}

/// Samples in plaintext. `known` is the unconditional chain, needed unless eta is 0. Returns `[n, h, w, c]`.
pub fn sample_plain(
    gpu: Arc<Gpu>,
    model: &Architecture,
    weights: Arc<dyn WeightStore>,
    job: &Job,
    labels: &[usize],
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<f32>, SamplingError> {
    let schedule = Schedule::new(&model.scheduler, job.steps)?;
    let clipping = clip(&model.scheduler);
    let mut plain = Plain::new(gpu, model.graph(job)?, weights, job.approx);
    let class = model.one_hot(job, labels)?;
    let mut x = model.noise(job);
    for (i, step) in schedule.steps.iter().enumerate() {
        let time = model.features(step.t, model.batch(job));
        let sample = if guided(job) { x.repeat(2) } else { x.clone() };
        let eps = plain.run(&[("sample", &sample), ("time_features", &time), ("class", &class)])?;
        x = apply(&guided_step(step, clipping, job), &x, &eps, known.map(|k| k[i].as_slice()));
        progress(i + 1);
    }
    Ok(x)
}

/// A role's share, with `f` fraction bits, of values that the client knows (or that are public: the client then takes them
/// as its share).
pub(crate) fn client_share(s: &Secure, values: Option<&[f32]>, n: usize, f: u32) -> Result<Share, SamplingError> {
    let unit = f64::from(f).exp2();
    let buf = match s.ctx.role {
        Role::Dealer => None,
        Role::Server => Some(s.ctx.rec.upload_slice(&vec![0u64; n])?),
        Role::Client => {
            let values = values.filter(|v| v.len() == n);
            let values = values.ok_or_else(|| ModelError::Request(format!("the client gives no {n} values")))?;
            let words: Vec<i64> = values.iter().map(|v| (f64::from(*v) * unit).round() as i64).collect();
            Some(s.ctx.rec.upload_slice(&words)?)
        }
    };
    Ok(Share { n, k: 64, f, buf })
}

/// Samples on shares; every role calls it with the same job. The client gives the labels and gets the images, the server
/// gives the unconditional chain (unless eta is 0).
pub fn sample_secure(
    s: &mut Secure,
    model: &Architecture,
    job: &Job,
    labels: Option<&[usize]>,
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Vec<f32>>, SamplingError> {
    let schedule = Schedule::new(&model.scheduler, job.steps)?;
    let clipping = clip(&model.scheduler);
    let outside = s.graph.nodes.len();
    let n = job.count * model.image_len();
    let class = labels.map(|l| model.one_hot(job, l)).transpose()?;
    let f = s.plan.config.port;
    let class = client_share(s, class.as_deref(), model.batch(job) * model.classes(), f)?;
    let mut x = client_share(s, Some(&model.noise(job)), n, f)?;
    for (i, step) in schedule.steps.iter().enumerate() {
        s.begin();
        let sample = if guided(job) { repeat_rows(&mut s.ctx, &x)? } else { x.clone() };
        let time = model.features(step.t, model.batch(job));
        let inputs = [
            ("sample", Input::Shared(sample)),
            ("time_features", Input::Public(time)),
            ("class", Input::Shared(class.clone())),
        ];
        let eps = s.forward(&inputs)?;
        s.enter_outside(0);
        let known = match known {
            Some(k) if s.ctx.role == Role::Server => Some(s.ctx.rec.upload_slice(&k[i])?),
            _ => None,
        };
        let step = guided_step(step, clipping, job);
        x = s.measured(outside, |s| step.secure(s, &x, &eps, known.as_ref()))?;
        progress(i + 1);
    }
    s.enter_outside(1);
    let images = s.measured(outside, |s| reveal_to_client(s, &x))?;
    s.ctx.finish()?;
    Ok(images)
}
