//! A model's folder, opened as far as a role needs it: the server holds weights, the client a tokenizer, both an architecture.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::check_ranges;
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::protocol::RowMaximum;
use masque_models::sampling::{self, Job};
use masque_models::text_to_image::{decode, encode};
use masque_models::{
    Checkpoint, ClassModel, Module, Origin, PlainPipeline, Prompt, SchedulerConfig, StableDiffusionConfig, TextJob,
    Tokenizer, UNet2dConfig, clip_text, initial_noise, unet2d_condition, vae_decoder,
};
use sha2::{Digest, Sha256};

use super::chains::Chains;
use super::{Audience, EngineError, Progress};
use crate::model::{Kind, Model};
use crate::task::{Architecture, Task};

/// An architecture with the weights of some of its networks.
pub struct OpenModel {
    /// Networks and sampler.
    pub architecture: Architecture,
    weights: HashMap<Module, Arc<Checkpoint>>,
    tokenizer: Option<Tokenizer>,
}

/// What the client alone knows, as networks take it.
pub enum Wanted {
    /// The class of each image.
    Labels(Vec<usize>),
    /// The prompt of each image, then the negative prompt of each.
    Prompts(Vec<Prompt>, Vec<Prompt>),
}

impl Wanted {
    /// Says, on the client's own terminal, what of its prompts is ignored.
    pub(super) fn warn(&self, audience: &mut dyn Audience) {
        let Self::Prompts(prompts, negative) = self else { return };
        let warnings: BTreeSet<String> = prompts.iter().chain(negative).filter_map(Prompt::warning).collect();
        warnings.into_iter().for_each(|warning| audience.progress(Progress::Warning(warning)));
    }

    /// The same for some of the images.
    pub(super) fn part(&self, images: Range<usize>) -> Self {
        match self {
            Self::Labels(labels) => Self::Labels(labels[images].to_vec()),
            Self::Prompts(prompts, negative) => {
                Self::Prompts(prompts[images.clone()].to_vec(), negative[images].to_vec())
            }
        }
    }
}

impl OpenModel {
    /// Opens the architecture, the tokenizer if there is one, and the weights of these networks, which are checked down to
    /// each number.
    pub fn open(model: &Model, modules: &[Module]) -> Result<Self, EngineError> {
        let folder = &model.path;
        if model.kind == Kind::Text {
            let config = StableDiffusionConfig::read(folder)?;
            let open = |m: &Module| -> Result<_, EngineError> { Ok((*m, Arc::new(config.weights(folder, *m)?))) };
            let weights = modules.iter().map(open).collect::<Result<_, _>>()?;
            let tokenizer = Some(config.tokenizer(folder)?);
            return Ok(Self { architecture: Architecture::Text(Box::new(config)), weights, tokenizer });
        }
        if modules.is_empty() {
            let unet = UNet2dConfig::read(folder.join("unet/config.json"))?;
            let scheduler = SchedulerConfig::read(folder.join("scheduler/scheduler_config.json"))?;
            let architecture = Architecture::Class(Box::new(sampling::Architecture { unet, scheduler }));
            return Ok(Self { architecture, weights: HashMap::new(), tokenizer: None });
        }
        let ClassModel { config: unet, scheduler, weights } = ClassModel::open(folder)?;
        let architecture = Architecture::Class(Box::new(sampling::Architecture { unet, scheduler }));
        Ok(Self { architecture, weights: HashMap::from([(Module::Unet, Arc::new(weights))]), tokenizer: None })
    }

    /// The weights of a network, if they were opened.
    pub fn weights(&self, module: Module) -> Option<Arc<dyn WeightStore>> {
        self.weights.get(&module).map(|w| w.clone() as Arc<dyn WeightStore>)
    }

    /// Digest of the weights of all its networks, which must be opened.
    pub fn digest(&self) -> Result<[u8; 32], EngineError> {
        let mut h = Sha256::new();
        for module in self.architecture.modules() {
            h.update(module.name());
            h.update(self.opened(*module)?.digest());
        }
        Ok(h.finalize().into())
    }

    /// A prompt as token ids.
    pub fn tokens(&self, prompt: &str) -> Result<Prompt, EngineError> {
        let tokenizer = self.tokenizer.as_ref().ok_or("this model reads no prompts")?;
        Ok(tokenizer.encode(prompt)?)
    }

    fn opened(&self, module: Module) -> Result<Arc<dyn WeightStore>, EngineError> {
        self.weights(module).ok_or_else(|| format!("the weights of {} were not opened", module.name()).into())
    }

    fn text(&self) -> Result<&StableDiffusionConfig, EngineError> {
        match &self.architecture {
            Architecture::Text(config) => Ok(config),
            Architecture::Class(_) => Err("this model reads no prompts".into()),
        }
    }

    fn pipeline(&self, gpu: &Arc<Gpu>) -> Result<PlainPipeline, EngineError> {
        let [text, unet, vae] = Module::ALL.map(|m| self.opened(m));
        Ok(PlainPipeline::with_weights(gpu.clone(), self.text()?.clone(), text?, unet?, vae?))
    }

    /// The conditions of prompts, by this role alone.
    pub fn encode(&self, gpu: &Arc<Gpu>, task: &Task, prompts: &[Prompt]) -> Result<Vec<f32>, EngineError> {
        let Task::Text(request) = task else { return Err("a job without prompts".into()) };
        let weights = self.opened(Module::TextEncoder)?;
        Ok(encode(gpu.clone(), self.text()?, weights, prompts, request.job.approx_text)?)
    }

    /// The images of latents, by this role alone.
    pub fn decode(&self, gpu: &Arc<Gpu>, task: &Task, latents: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Task::Text(request) = task else { return Err("a job without latents".into()) };
        let weights = self.opened(Module::Vae)?;
        Ok(decode(gpu.clone(), self.text()?, weights, latents, request.job.approx_vae)?)
    }

    /// Refuses, at the server, a model whose values the plans of a task cannot hold: one evaluation of each network in plaintext,
    /// on the first image's noise and no condition.
    pub fn check_ranges(&self, gpu: &Arc<Gpu>, task: &Task) -> Result<(), EngineError> {
        let one = task.alone();
        // Ranges do not depend on how maxima are found.
        let parts = self.architecture.parts(&one, RowMaximum::Secure)?;
        let model = match (&self.architecture, &one) {
            (Architecture::Class(model), Task::Class(job)) => {
                let weights = self.opened(Module::Unet)?;
                return Ok(sampling::check_model(gpu.clone(), model, weights, job, &parts[0].plan)?);
            }
            (Architecture::Text(model), _) => model,
            _ => return Err("a model of another kind than the job needs".into()),
        };
        let null = self.tokens("")?;
        let text = self.opened(Module::TextEncoder)?;
        let context = encode(gpu.clone(), model, text, std::slice::from_ref(&null), Approx::Exact)?;
        let (tokens, steps) = (null.indices(), u32::try_from(model.scheduler.num_train_timesteps).unwrap_or(u32::MAX));
        let time = model.time_features(steps.saturating_sub(1), 1);
        let noise: Vec<f32> =
            one.origins().iter().flat_map(|o| initial_noise(o.seed, o.image, model.latent_len())).collect();
        for part in parts {
            let inputs: Vec<(&str, &[f32])> = match part.module {
                Module::TextEncoder => vec![(clip_text::TOKENS, &tokens)],
                Module::Unet => vec![
                    (unet2d_condition::SAMPLE, &noise),
                    (unet2d_condition::TIME_FEATURES, &time),
                    (unet2d_condition::CONTEXT, &context),
                ],
                Module::Vae => vec![(vae_decoder::LATENT, &noise)],
            };
            check_ranges(gpu.clone(), part.graph, self.opened(part.module)?, &part.plan, &inputs)?;
        }
        Ok(())
    }

    /// The plaintext chain that the score guidance looks at; none without that guidance. Taken from disk as far as it is there.
    /// `step` is called after each step that is computed.
    pub fn chain(
        &self,
        gpu: &Arc<Gpu>,
        chains: &Chains,
        task: &Task,
        step: &mut dyn FnMut(),
    ) -> Result<Option<Vec<Vec<f32>>>, EngineError> {
        if task.guidance().eta == 0.0 {
            return Ok(None);
        }
        let chain = match (&self.architecture, task) {
            (Architecture::Class(model), Task::Class(job)) => {
                let one = Job { count: 1, scale: 1.0, ..job.clone() };
                let keys = self.chain_keys(task, &[(Module::Unet, &*model.graph(&one)?)], "ddim")?;
                let len = model.image_len();
                chains.batch(&keys, job.steps, len, |missing| {
                    let all =
                        sampling::unconditional(gpu.clone(), model, self.opened(Module::Unet)?, job, &mut |_| step())?;
                    let pick =
                        |step: &Vec<f32>| missing.iter().flat_map(|i| &step[i * len..(i + 1) * len]).copied().collect();
                    Ok(all.iter().map(pick).collect())
                })?
            }
            (Architecture::Text(model), Task::Text(request)) => {
                let (text, unet, job) = (model.text_graph(1)?, model.unet_graph(1)?, &request.job);
                let networks = [(Module::TextEncoder, &text), (Module::Unet, &unet)];
                let keys = self.chain_keys(task, &networks, job.sampler.name())?;
                chains.batch(&keys, job.steps, model.latent_len(), |missing| {
                    let origins = missing.iter().map(|i| job.origins[*i]).collect();
                    let job = TextJob { origins, ..job.clone() };
                    Ok(self.pipeline(gpu)?.unconditional(&job, &self.tokens("")?, &mut |_| step())?)
                })?
            }
            _ => return Err("a model of another kind than the job needs".into()),
        };
        Ok(Some(chain))
    }

    /// Digests of all that each image's chain depends on.
    fn chain_keys(
        &self,
        task: &Task,
        networks: &[(Module, &Graph)],
        sampler: &str,
    ) -> Result<Vec<[u8; 32]>, EngineError> {
        let mut common = Sha256::new();
        common.update("masque/chain/1");
        for (module, graph) in networks {
            common.update(self.opened(*module)?.digest());
            common.update(graph.fingerprint());
        }
        common.update(format!("{:?};{sampler};{}", self.architecture.scheduler(), task.steps()));
        let key = |origin: Origin| {
            let mut h = common.clone();
            h.update(origin.seed.to_le_bytes());
            h.update(origin.image.to_le_bytes());
            h.finalize().into()
        };
        Ok(task.origins().into_iter().map(key).collect())
    }

    /// Images `[n, h, w, c]` in plaintext, with the task's functions.
    pub fn draw(
        &self,
        gpu: &Arc<Gpu>,
        task: &Task,
        wish: &Wanted,
        known: Option<&[Vec<f32>]>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>, EngineError> {
        match (&self.architecture, task, wish) {
            (Architecture::Class(model), Task::Class(job), Wanted::Labels(labels)) => {
                let weights = self.opened(Module::Unet)?;
                Ok(sampling::sample_plain(gpu.clone(), model, weights, job, labels, known, progress)?)
            }
            (Architecture::Text(_), Task::Text(request), Wanted::Prompts(prompts, negative)) => {
                let (pipeline, job) = (self.pipeline(gpu)?, &request.job);
                let conditions = pipeline.encode(prompts, job.approx_text)?;
                let negative = match job.guided() {
                    true => pipeline.encode(negative, job.approx_text)?,
                    false => vec![],
                };
                let latents = pipeline.sample(job, &conditions, &negative, known, progress)?;
                Ok(pipeline.decode(&latents, job.approx_vae)?)
            }
            _ => Err("a model of another kind than the job needs".into()),
        }
    }
}
