//! One loop for all methods that are compared.

use masque_engine::functions::Functions;

use super::network::Network;
use super::{Steering, Subject, Verifier};
use crate::sampling::{SamplingError, apply, mixed};
use crate::{GuidanceWeight, ModelError, Origin, Rule, Sampler, Schedule, Step, step_noise};

/// What is done against the error of approximated functions while sampling.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Nothing.
    Plain,
    /// The paper's guidance, equation 6: `eps + g (eps_uncond - eps)` with `g = min(eta w_t, cap)`.
    Score {
        /// Strength.
        eta: f64,
        /// Reading of the weight.
        weight: GuidanceWeight,
        /// Largest `g`, if any.
        cap: Option<f64>,
    },
    /// Perturbed-attention guidance (Ahn et al., <https://arxiv.org/abs/2403.17377>): `eps + s (eps - eps_perturbed)`, where
    /// the perturbed network has identities for the self-attention maps of a block. One more evaluation a step.
    PerturbedAttention {
        /// `s`.
        scale: f64,
        /// Path of the block, or the beginning of paths.
        block: String,
    },
    /// Feynman-Kac steering (Singhal et al., <https://arxiv.org/abs/2501.06848>): several samples an image, of which a
    /// verifier selects during sampling.
    Steered(Steering),
}

/// How to sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Sampler.
    pub sampler: Sampler,
    /// Its steps.
    pub steps: usize,
    /// Classifier-free guidance in diffusers' convention; 1 is none.
    pub scale: f64,
    /// Functions of the network.
    pub functions: Functions,
    /// Method.
    pub method: Method,
}

/// A chain without a condition, with exact functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The prediction of every step.
    pub predictions: Vec<Vec<f32>>,
    /// The samples it ends with.
    pub end: Vec<f32>,
}

/// Conditions of a walk, a row for each sample.
struct Conditions {
    rows: Vec<f32>,
    none: Option<Vec<f32>>,
}

impl Subject {
    /// The chain without a condition from the same noise: what the paper's guidance adds. Exact functions.
    pub fn chain(&self, origins: &[Origin], sampler: Sampler, steps: usize) -> Result<Chain, SamplingError> {
        let functions = Functions::default();
        let rows = self.unconditional(&functions)?.repeat(origins.len());
        let alone = Settings { sampler, steps, scale: 1.0, functions, method: Method::Plain };
        let mut predictions = Vec::with_capacity(steps);
        let mut keep = |eps: &[f32]| predictions.push(eps.to_vec());
        let end = self.walk(origins, Conditions { rows, none: None }, &alone, None, None, &mut keep)?;
        Ok(Chain { predictions, end })
    }

    /// Samples for `conditions` (a row for each origin) and, unless the guidance scale is 1, the row `none`. The paper's
    /// guidance needs the origins' [`Subject::chain`], steering a verifier. `step` is called after every step.
    #[expect(clippy::too_many_arguments, reason = "each is needed by one method or another")]
    pub fn sample(
        &self,
        origins: &[Origin],
        conditions: &[f32],
        none: &[f32],
        settings: &Settings,
        chain: Option<&Chain>,
        verifier: Option<&mut Verifier<'_>>,
        step: &mut dyn FnMut(),
    ) -> Result<Vec<f32>, SamplingError> {
        if matches!(settings.method, Method::Score { .. })
            && chain.is_none_or(|c| c.predictions.len() != settings.steps)
        {
            return Err(ModelError::Request("score guidance needs the chain without a condition".into()).into());
        }
        let none = |n: usize| (settings.scale != 1.0).then(|| none.repeat(n));
        let mut verifier = verifier;
        let Method::Steered(s) = &settings.method else {
            let all = Conditions { rows: conditions.to_vec(), none: none(origins.len()) };
            return self.walk(origins, all, settings, chain, None, &mut |_| step());
        };
        let Some(verifier) = verifier.as_mut() else {
            return Err(ModelError::Request("steering needs a verifier".into()).into());
        };
        let particles: Vec<Origin> = origins.iter().flat_map(|o| s.origins(o)).collect();
        let width = conditions.len() / origins.len().max(1);
        let rows: Vec<f32> = conditions.chunks(width.max(1)).flat_map(|row| row.repeat(s.particles)).collect();
        let all = Conditions { rows, none: none(particles.len()) };
        let samples = self.walk(&particles, all, settings, chain, Some(&mut **verifier), &mut |_| step())?;
        let rewards = verifier(&samples)?;
        Ok(s.best(&rewards, samples.len() / particles.len().max(1), &samples))
    }

    fn walk(
        &self,
        origins: &[Origin],
        conditions: Conditions,
        settings: &Settings,
        chain: Option<&Chain>,
        mut verifier: Option<&mut Verifier<'_>>,
        seen: &mut dyn FnMut(&[f32]),
    ) -> Result<Vec<f32>, SamplingError> {
        let (n, len, clip) = (origins.len(), self.sample_len(), self.clip());
        let schedule = Schedule::with(self.scheduler(), settings.sampler, settings.steps)?;
        let guided = conditions.none.is_some();
        let batch = if guided { 2 * n } else { n };
        let mut network = self.network(batch, &settings.functions, None)?;
        let mut perturbed = match &settings.method {
            Method::PerturbedAttention { block, .. } => Some(self.network(n, &settings.functions, Some(block))?),
            _ => None,
        };
        let both = [conditions.rows.as_slice(), conditions.none.as_deref().unwrap_or(&[])].concat();
        let predict = |net: &mut Network, x: &[f32], step: &Step, rows: &[f32]| {
            let time = self.time_features(step.t, x.len() / len);
            net.run(&[
                (crate::unet2d::SAMPLE, x),
                (crate::unet2d::TIME_FEATURES, &time),
                (self.condition_input(), rows),
            ])
        };
        let mut x = self.start(origins);
        let mut best = vec![f64::NEG_INFINITY; n];
        for (i, step) in schedule.steps.iter().enumerate() {
            let sample = if guided { x.repeat(2) } else { x.clone() };
            let mut eps = predict(&mut network, &sample, step, &both)?;
            let (gamma, known) = match &settings.method {
                Method::Score { eta, weight, cap } => {
                    let gamma = (eta * weight.at(step)).min(cap.unwrap_or(f64::INFINITY));
                    (gamma, chain.map(|c| c.predictions[i].clone()))
                }
                // The same combination with a negative weight of what is added.
                Method::PerturbedAttention { scale, .. } => match &mut perturbed {
                    Some(net) => (-scale, Some(predict(net, &x, step, &conditions.rows)?)),
                    None => (0.0, None),
                },
                Method::Plain | Method::Steered(_) => (0.0, None),
            };
            if let (Method::Steered(s), Some(verifier)) = (&settings.method, verifier.as_mut())
                && s.looks_at(i, settings.steps)
            {
                // A step that ends without noise ends with the image that the prediction means.
                let end = Step { abar_prev: 1.0, rule: Rule::Ddim, last: true, ..*step };
                let image = apply(&mixed(&end, clip, settings.scale, 0.0), &x, &eps, None);
                let chosen = s.choose(origins, i, &verifier(&image)?, &mut best);
                x = pick(&x, len, &chosen);
                let halves: Vec<Vec<f32>> = eps.chunks(n * len).map(|half| pick(half, len, &chosen)).collect();
                eps = halves.concat();
            }
            x = apply(&mixed(step, clip, settings.scale, gamma), &x, &eps, known.as_deref());
            let sigma = step.update(clip).noise as f32;
            if sigma != 0.0 {
                let noise = origins.iter().flat_map(|o| step_noise(o.seed, o.image, i as u64, len));
                x.iter_mut().zip(noise).for_each(|(x, n)| *x += sigma * n);
            }
            seen(&eps);
        }
        Ok(x)
    }
}

/// Rows of `len` elements by index.
fn pick(x: &[f32], len: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|r| x[r * len..][..len].iter().copied()).collect()
}
