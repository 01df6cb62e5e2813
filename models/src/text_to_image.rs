//! Text to image in plaintext: the same steps that are taken on shares, on one device.

use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};
use serde::{Deserialize, Serialize};

use crate::sampling::{Guidance, SamplingError, apply, guided_by};
use crate::{
    Clip, ModelError, Prompt, Sampler, Schedule, StableDiffusion, StableDiffusionConfig, Step, clip_text,
    initial_noise, step_noise, unet2d_condition, vae_decoder,
};

/// Where an image's noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Seed.
    pub seed: u64,
    /// Number of the image under that seed.
    pub image: u64,
}

/// What client, server and dealer know of a job. Prompts are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextJob {
    /// One entry for each image.
    pub origins: Vec<Origin>,
    /// Sampler.
    pub sampler: Sampler,
    /// Sampler steps.
    pub steps: usize,
    /// How predictions are combined.
    pub guidance: Guidance,
    /// Functions of the network.
    pub approx: Approx,
    /// Functions of the text encoder.
    pub approx_text: Approx,
    /// Functions of the decoder.
    pub approx_vae: Approx,
}

impl TextJob {
    /// Images.
    pub fn count(&self) -> usize {
        self.origins.len()
    }

    /// Whether every step evaluates the network without a condition, too.
    pub fn guided(&self) -> bool {
        self.guidance.scale != 1.0
    }

    /// Latents of one evaluation of the network.
    pub fn batch(&self) -> usize {
        if self.guided() { 2 * self.count() } else { self.count() }
    }

    /// The latents that all chains start from.
    pub fn start(&self, config: &StableDiffusionConfig) -> Vec<f32> {
        self.origins.iter().flat_map(|o| initial_noise(o.seed, o.image, config.latent_len())).collect()
    }

    /// What a stochastic sampler adds to the latents after step `i`, the same in all chains; `None` if nothing.
    pub fn noise(&self, config: &StableDiffusionConfig, step: &Step, i: usize, clip: Clip) -> Option<Vec<f32>> {
        let sigma = step.update(clip).noise as f32;
        let noise = |o: &Origin| step_noise(o.seed, o.image, i as u64, config.latent_len());
        (sigma != 0.0).then(|| self.origins.iter().flat_map(noise).map(|n| sigma * n).collect())
    }

    /// The job of the chain without any condition: exact functions, no guidance.
    fn alone(&self) -> TextJob {
        let guidance = Guidance { scale: 1.0, eta: 0.0, ..self.guidance };
        TextJob { guidance, approx: Approx::Exact, ..self.clone() }
    }
}

/// Sees a step's number, the network's predictions, and the latents after the step.
pub type Seen<'a> = dyn FnMut(usize, &[f32], &[f32]) + 'a;

/// A text-to-image model on one device. Weights are uploaded for each call, and kept within it.
pub struct PlainPipeline {
    gpu: Arc<Gpu>,
    config: StableDiffusionConfig,
    text: Arc<dyn WeightStore>,
    unet: Arc<dyn WeightStore>,
    vae: Arc<dyn WeightStore>,
}

impl PlainPipeline {
    /// An opened model on a device.
    pub fn new(gpu: Arc<Gpu>, model: &StableDiffusion) -> Self {
        let (text, unet, vae) = (model.text.clone(), model.unet.clone(), model.vae.clone());
        Self::with_weights(gpu, model.config.clone(), text, unet, vae)
    }

    /// Networks with weights from anywhere.
    pub fn with_weights(
        gpu: Arc<Gpu>,
        config: StableDiffusionConfig,
        text: Arc<dyn WeightStore>,
        unet: Arc<dyn WeightStore>,
        vae: Arc<dyn WeightStore>,
    ) -> Self {
        Self { gpu, config, text, unet, vae }
    }

    fn network(&self, graph: Graph, weights: &Arc<dyn WeightStore>, approx: Approx) -> Plain {
        Plain::new(self.gpu.clone(), Arc::new(graph), weights.clone(), approx)
    }

    /// The conditions of prompts, `[n, tokens, width]`.
    pub fn encode(&self, prompts: &[Prompt], approx: Approx) -> Result<Vec<f32>, SamplingError> {
        encode(self.gpu.clone(), &self.config, self.text.clone(), prompts, approx)
    }

    /// The chain without a condition, with exact functions: the prediction of every step. `null` is the empty prompt. It
    /// depends on the model, the origins and the schedule only. `progress` hears how many steps are done.
    pub fn unconditional(
        &self,
        job: &TextJob,
        null: &Prompt,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f32>>, SamplingError> {
        let context = self.encode(std::slice::from_ref(null), Approx::Exact)?.repeat(job.count());
        let mut kept = Vec::with_capacity(job.steps);
        let start = job.start(&self.config);
        self.walk(&job.alone(), start, &context, None, &mut |i, eps, _| {
            kept.push(eps.to_vec());
            progress(i + 1);
        })?;
        Ok(kept)
    }

    /// Latents `[n, h, w, c]` for the images' conditions (one for each image) and, unless the guidance scale is 1, that of
    /// the negative prompts. `known` is [`PlainPipeline::unconditional`], needed unless the score guidance is 0.
    pub fn sample(
        &self,
        job: &TextJob,
        conditions: &[f32],
        negative: &[f32],
        known: Option<&[Vec<f32>]>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>, SamplingError> {
        let start = job.start(&self.config);
        self.sample_from(job, start, conditions, negative, known, &mut |i, _, _| progress(i + 1))
    }

    /// As [`PlainPipeline::sample`], from latents of the caller's; shows the number of each step, the network's predictions
    /// and the latents after it.
    pub fn sample_from(
        &self,
        job: &TextJob,
        start: Vec<f32>,
        conditions: &[f32],
        negative: &[f32],
        known: Option<&[Vec<f32>]>,
        seen: &mut Seen<'_>,
    ) -> Result<Vec<f32>, SamplingError> {
        if job.guidance.eta != 0.0 && known.is_none_or(|k| k.len() != job.steps) {
            return Err(ModelError::Request("score guidance needs the chain without a condition".into()).into());
        }
        let context = if job.guided() { [conditions, negative].concat() } else { conditions.to_vec() };
        let expected = job.batch() * self.config.context_len();
        if context.len() != expected {
            let what = format!("conditions of {} elements, {} images need {expected}", context.len(), job.count());
            return Err(ModelError::Request(what).into());
        }
        self.walk(job, start, &context, known, seen)
    }

    fn walk(
        &self,
        job: &TextJob,
        mut x: Vec<f32>,
        context: &[f32],
        known: Option<&[Vec<f32>]>,
        seen: &mut Seen<'_>,
    ) -> Result<Vec<f32>, SamplingError> {
        let config = &self.config;
        let schedule = Schedule::with(&config.scheduler, job.sampler, job.steps)?;
        let clip = Clip::of(&config.scheduler);
        let mut unet = self.network(config.unet_graph(job.batch())?, &self.unet, job.approx);
        for (i, step) in schedule.steps.iter().enumerate() {
            let sample = if job.guided() { x.repeat(2) } else { x.clone() };
            let time = config.time_features(step.t, job.batch());
            let eps = unet.run(&[
                (unet2d_condition::SAMPLE, &sample),
                (unet2d_condition::TIME_FEATURES, &time),
                (unet2d_condition::CONTEXT, context),
            ])?;
            let known = known.map(|k| k[i].as_slice());
            x = apply(&guided_by(step, clip, &job.guidance), &x, &eps, known);
            if let Some(noise) = job.noise(config, step, i, clip) {
                x.iter_mut().zip(noise).for_each(|(x, n)| *x += n);
            }
            seen(i, &eps, &x);
        }
        Ok(x)
    }

    /// Images `[n, h, w, c]`, mostly within `[-1, 1]`, for latents; one after the other, as they are large.
    pub fn decode(&self, latents: &[f32], approx: Approx) -> Result<Vec<f32>, SamplingError> {
        decode(self.gpu.clone(), &self.config, self.vae.clone(), latents, approx)
    }
}

/// The conditions of prompts, `[n, tokens, width]`: all that a client needs of the pipeline to encode its prompts itself.
pub fn encode(
    gpu: Arc<Gpu>,
    config: &StableDiffusionConfig,
    weights: Arc<dyn WeightStore>,
    prompts: &[Prompt],
    approx: Approx,
) -> Result<Vec<f32>, SamplingError> {
    let ids: Vec<f32> = prompts.iter().flat_map(Prompt::indices).collect();
    let mut text = Plain::new(gpu, Arc::new(config.text_graph(prompts.len())?), weights, approx);
    Ok(text.run(&[(clip_text::TOKENS, &ids)])?)
}

/// Images `[n, h, w, c]`, mostly within `[-1, 1]`, for latents; one after the other, as they are large.
pub fn decode(
    gpu: Arc<Gpu>,
    config: &StableDiffusionConfig,
    weights: Arc<dyn WeightStore>,
    latents: &[f32],
    approx: Approx,
) -> Result<Vec<f32>, SamplingError> {
    let mut vae = Plain::new(gpu, Arc::new(config.vae_graph(1)?), weights, approx);
    let mut images = Vec::new();
    for latent in latents.chunks(config.latent_len()) {
        images.extend(vae.run(&[(vae_decoder::LATENT, latent)])?);
    }
    Ok(images)
}
