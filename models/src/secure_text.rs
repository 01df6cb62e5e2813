//! Text to image on shares: text encoder, network and decoder in one session between client, server and dealer.
//!
//! Token ids enter as one-hot rows on shares, the condition goes from the encoder to the network and the latent from the
//! network to the decoder without being known to anybody, and the image leaves to the client alone. Negative prompts are
//! secret like prompts: both always have the encoder's full length, and both are always encoded.
//!
//! A session may run several jobs one after the other: masks are drawn under the number of the evaluation, which only grows.

use std::fmt;
use std::sync::Arc;

use masque_engine::exec::{ExecError, Input, Plan, PlanConfig, Secure, carry, reveal_to_client};
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::protocol::{Ctx, Map, Role, RowMaximum, Share, add_public, concat, repeat_rows, slice};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::FixedPoint;
use crate::one_hot::one_hot;
use crate::sampling::{SamplingError, client_share, guided_by};
use crate::{
    Clip, ModelError, Module, Schedule, StableDiffusionConfig, TextJob, clip_text, unet2d_condition, vae_decoder,
};

/// Where a module runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On shares.
    #[default]
    Secure,
    /// At the client, in plaintext: the client then needs the module's weights.
    Client,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Secure => "secure",
            Self::Client => "client",
        })
    }
}

/// A text-to-image job on shares, as client, server and dealer know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextRequest {
    /// Images, sampler, functions.
    pub job: TextJob,
    /// Where the text encoder runs.
    pub text_encoder: Place,
    /// Where the decoder runs.
    pub vae: Place,
}

/// A module with what all roles know of it.
pub struct Part {
    /// Which.
    pub module: Module,
    /// What one evaluation computes.
    pub graph: Arc<Graph>,
    /// Its fixed-point plan.
    pub plan: Plan,
}

/// What the client brings.
pub enum Wish<'a> {
    /// Token ids of all prompts, then, with classifier-free guidance, of all negative prompts; each of the encoder's length.
    Tokens(&'a [u32]),
    /// The conditions in that order, where the client runs the text encoder.
    Conditions(&'a [f32]),
}

/// Digest of several parts' graphs and plans: roles with different ones do not talk.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a Part>) -> [u8; 32] {
    let mut h = Sha256::new();
    for part in parts {
        h.update(part.module.name());
        h.update(part.plan.fingerprint(&part.graph));
    }
    h.finalize().into()
}

/// Largest one-hot input of the text encoder, and largest images decoded at once.
const MOST_TOKEN_BYTES: usize = 64 << 20;
const MOST_PIXELS: usize = 1 << 16;

/// The largest part of a batch that divides it and whose size is within a limit, at least 1.
fn portion(batch: usize, size: usize, limit: usize) -> usize {
    (1..=batch).rev().find(|n| batch.is_multiple_of(*n) && n * size <= limit).unwrap_or(1)
}

impl TextRequest {
    /// Prompts of one evaluation of the text encoder.
    fn prompts_at_once(&self, config: &StableDiffusionConfig) -> usize {
        portion(self.job.batch(), config.tokens() * config.text.vocab_size * size_of::<u64>(), MOST_TOKEN_BYTES)
    }

    /// Latents of one evaluation of the decoder.
    fn latents_at_once(&self, config: &StableDiffusionConfig) -> usize {
        portion(self.job.count(), config.image_size().iter().product(), MOST_PIXELS)
    }

    /// The modules that run on shares, in the order in which they run; `maximum` says how attention finds row maxima.
    pub fn parts(&self, config: &StableDiffusionConfig, maximum: RowMaximum) -> Result<Vec<Part>, SamplingError> {
        let job = &self.job;
        let usual = |approx| PlanConfig { approx, ..PlanConfig::default() };
        let mut parts = Vec::new();
        let mut part = |module, graph: Graph, own: FixedPoint, usual: PlanConfig| -> Result<(), SamplingError> {
            let plan = own.plan(&graph, PlanConfig { maximum, ..usual }).map_err(ExecError::Plan)?;
            parts.push(Part { module, graph: Arc::new(graph), plan });
            Ok(())
        };
        if self.text_encoder == Place::Secure {
            let graph = config.text_graph(self.prompts_at_once(config))?;
            part(Module::TextEncoder, graph, config.text.fixed_point, clip_text::plan(job.approx_text))?;
        }
        part(Module::Unet, config.unet_graph(job.batch())?, config.unet.fixed_point, usual(job.approx))?;
        if self.vae == Place::Secure {
            let graph = config.vae_graph(self.latents_at_once(config))?;
            part(Module::Vae, graph, config.vae.fixed_point, usual(job.approx_vae))?;
        }
        Ok(parts)
    }
}

/// Joins a session: distributes the weights of all parts, once. `weights` gives a module's at the server and nothing elsewhere.
pub fn start(
    ctx: Ctx,
    parts: Vec<Part>,
    weights: impl Fn(Module) -> Option<Arc<dyn WeightStore>>,
) -> Result<Secure, SamplingError> {
    let mut parts = parts.into_iter().map(|p| (weights(p.module), p));
    let (w, first) = parts.next().ok_or_else(|| ModelError::Request("a job without networks".into()))?;
    let mut session = Secure::new(ctx, first.graph, first.plan, w)?;
    for (w, part) in parts {
        session.add(part.graph, part.plan, w)?;
    }
    Ok(session)
}

/// Prepares a session for another number of images: the same networks, whose weights are distributed already.
pub fn resize(s: &mut Secure, parts: Vec<Part>) -> Result<(), SamplingError> {
    for (at, part) in parts.into_iter().enumerate() {
        s.select(at);
        s.resize(part.graph, part.plan)?;
    }
    Ok(())
}

/// Runs a job on shares; every role calls it with the same request in a session of its parts. The client gives its wish and
/// gets images `[n, h, w, c]`, or latents where it runs the decoder; the server gives the chain without a condition (unless
/// the score guidance is 0).
pub fn generate(
    s: &mut Secure,
    config: &StableDiffusionConfig,
    request: &TextRequest,
    wish: Option<&Wish<'_>>,
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Vec<f32>>, SamplingError> {
    let unet = usize::from(request.text_encoder == Place::Secure);
    let context = context(s, config, request, wish)?;
    s.select(unet);
    let latents = sample(s, config, &request.job, &context, known, progress)?;
    let images = match request.vae {
        Place::Client => {
            s.enter_outside(1);
            let outside = s.graph.nodes.len();
            s.measured(outside, |s| reveal_to_client(s, &latents))?
        }
        Place::Secure => {
            s.select(unet + 1);
            decode(s, config, request, &latents)?
        }
    };
    s.ctx.finish()?;
    Ok(images)
}

/// The conditions of all prompts on shares, in Z_2^64.
fn context(
    s: &mut Secure,
    config: &StableDiffusionConfig,
    request: &TextRequest,
    wish: Option<&Wish<'_>>,
) -> Result<Share, SamplingError> {
    let (batch, port) = (request.job.batch(), PlanConfig::default().port);
    if request.text_encoder == Place::Client {
        let conditions = match wish {
            Some(Wish::Conditions(c)) => Some(*c),
            _ => None,
        };
        return client_share(s, conditions, batch * config.context_len(), port);
    }
    s.select(0);
    let (rows, entries) = (request.prompts_at_once(config) * config.tokens(), config.text.vocab_size);
    let outside = s.graph.nodes.len();
    let mut all: Option<Share> = None;
    for at in 0..batch * config.tokens() / rows {
        let one_hot = match wish {
            Some(Wish::Tokens(ids)) => {
                let ids = ids.get(at * rows..(at + 1) * rows).unwrap_or(&[]);
                Some(one_hot(ids.iter().map(|id| *id as usize), entries, "token")?)
            }
            _ => None,
        };
        let tokens = client_share(s, one_hot.as_deref(), rows * entries, 0)?;
        s.begin();
        let y = s.forward(&[(clip_text::TOKENS, Input::Shared(tokens))])?;
        s.enter_outside(0);
        all = Some(s.measured(outside, |s| {
            let y = carry(s, &y, port)?;
            Ok(match &all {
                Some(x) => concat(&mut s.ctx, x, x.n, &y, y.n)?,
                None => y,
            })
        })?);
    }
    Ok(all.ok_or_else(|| ModelError::Request("a job without images".into()))?)
}

/// The sampler on shares: latents in Z_2^64.
fn sample(
    s: &mut Secure,
    config: &StableDiffusionConfig,
    job: &TextJob,
    context: &Share,
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Share, SamplingError> {
    let schedule = Schedule::with(&config.scheduler, job.sampler, job.steps)?;
    let (clip, outside, port) = (Clip::of(&config.scheduler), s.graph.nodes.len(), s.plan.config.port);
    if s.ctx.role == Role::Server && job.guidance.eta != 0.0 && known.is_none_or(|k| k.len() != job.steps) {
        return Err(ModelError::Request("score guidance needs the chain without a condition".into()).into());
    }
    let mut x = client_share(s, Some(&job.start(config)), job.count() * config.latent_len(), port)?;
    for (i, step) in schedule.steps.iter().enumerate() {
        s.begin();
        let sample = if job.guided() { repeat_rows(&mut s.ctx, &x)? } else { x.clone() };
        let eps = s.forward(&[
            (unet2d_condition::SAMPLE, Input::Shared(sample)),
            (unet2d_condition::TIME_FEATURES, Input::Public(config.time_features(step.t, job.batch()))),
            (unet2d_condition::CONTEXT, Input::Shared(context.clone())),
        ])?;
        s.enter_outside(0);
        // Only the server adds what both know: the chain without a condition, and the sampler's noise.
        let server = s.ctx.role == Role::Server;
        let public = |s: &Secure, values: Option<&[f32]>| {
            values.filter(|_| server).map(|v| s.ctx.rec.upload_slice(v)).transpose()
        };
        let known = public(s, known.map(|k| k[i].as_slice()))?;
        let noise = job.noise(config, step, i, clip);
        let noise = public(s, noise.as_deref())?;
        let step = guided_by(step, clip, &job.guidance);
        x = s.measured(outside, |s| {
            let next = step.secure(s, &x, &eps, known.as_ref())?;
            let noise = s.encode(noise.as_ref(), next.n, port)?;
            Ok(add_public(&mut s.ctx, &next, noise.as_ref(), Map::SAME)?)
        })?;
        progress(i + 1);
    }
    Ok(x)
}

/// Images for latents, opened to the client.
fn decode(
    s: &mut Secure,
    config: &StableDiffusionConfig,
    request: &TextRequest,
    latents: &Share,
) -> Result<Option<Vec<f32>>, SamplingError> {
    let len = request.latents_at_once(config) * config.latent_len();
    let outside = s.graph.nodes.len();
    let mut images = (s.ctx.role == Role::Client).then(Vec::new);
    for at in 0..latents.n / len {
        s.begin();
        let latent = slice(&mut s.ctx, latents, latents.n, at * len, len)?;
        let image = s.forward(&[(vae_decoder::LATENT, Input::Shared(latent))])?;
        s.enter_outside(1);
        let shown = s.measured(outside, |s| reveal_to_client(s, &image))?;
        if let (Some(all), Some(shown)) = (&mut images, shown) {
            all.extend(shown);
        }
    }
    Ok(images)
}
