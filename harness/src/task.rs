//! What client, server and dealer know of a job: which networks there are and what is asked of them, never the condition.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use masque_engine::exec::{ExecError, PlanConfig};
use masque_engine::protocol::RowMaximum;
use masque_models::sampling::{self, Guidance, Job};
use masque_models::{
    ModelError, Module, Origin, Part, Schedule, SchedulerConfig, StableDiffusionConfig, TextJob, TextRequest,
    UNet2dConfig, secure_text,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Max;
use crate::engine::EngineError;

type Result<T> = std::result::Result<T, EngineError>;

/// Most images that a server or dealer draws in one session, and at once.
const MOST_IMAGES: usize = 1 << 20;
const MOST_AT_ONCE: usize = 4096;

/// The files that describe a class-conditional model.
const CLASS_FILES: [&str; 2] = ["unet/config.json", "scheduler/scheduler_config.json"];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Images of classes.
    Class(Job),
    /// Images for prompts.
    Text(TextRequest),
}

impl Task {
    /// Images.
    pub fn count(&self) -> usize {
        match self {
            Self::Class(job) => job.count,
            Self::Text(request) => request.job.count(),
        }
    }

    /// Sampler steps.
    pub fn steps(&self) -> usize {
        match self {
            Self::Class(job) => job.steps,
            Self::Text(request) => request.job.steps,
        }
    }

    /// How predictions are combined.
    pub fn guidance(&self) -> Guidance {
        match self {
            Self::Class(job) => Guidance { scale: job.scale, eta: job.eta, weight: job.weight },
            Self::Text(request) => request.job.guidance,
        }
    }

    /// Where each image's noise comes from.
    pub fn origins(&self) -> Vec<Origin> {
        match self {
            Self::Class(job) => (0..job.count as u64).map(|image| Origin { seed: job.seed, image }).collect(),
            Self::Text(request) => request.job.origins.clone(),
        }
    }

    /// The portions in which the images are drawn, at most so many at once; those of classes all at once.
    pub fn portions(&self, at_once: usize) -> Vec<Self> {
        let count = self.count();
        let step = match self {
            Self::Class(_) => count,
            Self::Text(_) => at_once,
        };
        (0..count).step_by(step.max(1)).map(|at| self.portion(at..(at + step).min(count))).collect()
    }

    fn portion(&self, images: Range<usize>) -> Self {
        match self {
            Self::Class(job) => Self::Class(job.clone()),
            Self::Text(request) => {
                let origins = request.job.origins[images].to_vec();
                Self::Text(TextRequest { job: TextJob { origins, ..request.job.clone() }, ..request.clone() })
            }
        }
    }

    /// The same for the first image only, evaluated once a step.
    pub fn alone(&self) -> Self {
        match self {
            Self::Class(job) => Self::Class(Job { count: 1, scale: 1.0, ..job.clone() }),
            Self::Text(request) => {
                let guidance = Guidance { scale: 1.0, ..request.job.guidance };
                let origins = request.job.origins.iter().take(1).copied().collect();
                Self::Text(TextRequest { job: TextJob { origins, guidance, ..request.job.clone() }, ..request.clone() })
            }
        }
    }

    /// Names of the files that describe its kind of model.
    fn files(&self) -> &'static [&'static str] {
        match self {
            Self::Class(_) => &CLASS_FILES,
            Self::Text(_) => &StableDiffusionConfig::FILES,
        }
    }

    /// Refuses what cannot be run.
    fn check(&self) -> Result<()> {
        let Guidance { scale, eta, .. } = self.guidance();
        let number = (1..=MOST_IMAGES).contains(&self.count()) && self.steps() > 0;
        match number && scale.is_finite() && eta.is_finite() {
            true => Ok(()),
            false => Err("the client asks for a job that cannot be run".into()),
        }
    }

    /// All of it in one line, for comparison between roles: `key=value;key=value`.
    pub fn settings(&self) -> String {
        let Guidance { scale, eta, weight } = self.guidance();
        let (count, steps) = (self.count(), self.steps());
        let common = format!("count={count};eta={eta};scale={scale};steps={steps};weight={weight}");
        match self {
            Self::Class(job) => format!("approx={};{common};seed={}", job.approx, job.seed),
            Self::Text(TextRequest { job, text_encoder, vae }) => {
                let mut seeds = Sha256::new();
                for origin in &job.origins {
                    seeds.update(origin.seed.to_le_bytes());
                    seeds.update(origin.image.to_le_bytes());
                }
                let seeds: String = seeds.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect();
                format!(
                    "approx={};approx-text={};approx-vae={};{common};sampler={};seeds={seeds};text-encoder={text_encoder};\
                     vae={vae}",
                    job.approx, job.approx_text, job.approx_vae, job.sampler
                )
            }
        }
    }
}

/// Networks and sampler of a model, no weights.
#[derive(Clone, Debug)]
pub enum Architecture {
    /// Class-conditional, on pixels.
    Class(Box<sampling::Architecture>),
    /// Text to image.
    Text(Box<StableDiffusionConfig>),
}

impl Architecture {
    /// The networks of a task that run on shares, with their plans.
    pub fn parts(&self, task: &Task, maximum: RowMaximum) -> Result<Vec<Part>> {
        match (self, task) {
            (Self::Class(model), Task::Class(job)) => {
                let graph = model.graph(job)?;
                let usual = PlanConfig { approx: job.approx, maximum, ..PlanConfig::default() };
                let plan = model.unet.fixed_point.plan(&graph, usual).map_err(ExecError::Plan)?;
                Ok(vec![Part { module: Module::Unet, graph, plan }])
            }
            (Self::Text(model), Task::Text(request)) => {
                // A sampler that this model's scheduler does not have is refused before anybody computes.
                Schedule::with(&model.scheduler, request.job.sampler, request.job.steps)?;
                Ok(request.parts(model, maximum)?)
            }
            _ => Err("a model of another kind than the job needs".into()),
        }
    }

    /// All networks, in the order in which they run.
    pub fn modules(&self) -> &'static [Module] {
        match self {
            Self::Class(_) => &[Module::Unet],
            Self::Text(_) => &Module::ALL,
        }
    }

    /// The sampler's settings.
    pub fn scheduler(&self) -> &SchedulerConfig {
        match self {
            Self::Class(model) => &model.scheduler,
            Self::Text(model) => &model.scheduler,
        }
    }

    /// `[n, h, w, c]` of a number of images.
    pub fn extents(&self, count: usize) -> [usize; 4] {
        let ([h, w], channels) = match self {
            Self::Class(model) => (model.unet.sample_size, model.unet.out_channels),
            Self::Text(model) => (model.image_size(), model.vae.out_channels),
        };
        [count, h, w, channels]
    }

    /// Whether the other one computes the same for a request.
    pub fn agrees(&self, other: &Self, request: &Request) -> bool {
        let print = |a: &Self| request.plans(a).map(|plans| plans.fingerprint()).ok();
        print(self).is_some_and(|mine| Some(mine) == print(other)) && self.scheduler() == other.scheduler()
    }
}

/// The parts of a session's portions.
pub struct Plans {
    /// Those of all portions but a smaller last one.
    pub first: Vec<Part>,
    /// Those of a last portion with fewer images.
    pub rest: Option<Vec<Part>>,
}

impl Plans {
    /// Digest of all graphs and plans.
    pub fn fingerprint(&self) -> [u8; 32] {
        secure_text::fingerprint(self.first.iter().chain(self.rest.iter().flatten()))
    }
}

/// What the client asks for, with the public architecture it has in mind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// What is asked for.
    pub task: Task,
    /// Images drawn at once: a session draws the task's images in portions of this many.
    pub at_once: usize,
    /// How row maxima are found. Each role says for itself which it takes part in.
    pub maximum: Max,
    /// Texts of the model's configuration files, by name.
    files: BTreeMap<String, String>,
}

impl Request {
    /// A task for the model in a folder, at most so many images at once.
    pub fn new(folder: &Path, task: Task, at_once: usize, maximum: Max) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in task.files() {
            let path = folder.join(name);
            let text = fs::read_to_string(&path);
            let text = text.map_err(|source| ModelError::Read { file: path.display().to_string(), source })?;
            files.insert((*name).to_owned(), text);
        }
        let at_once = match &task {
            Task::Class(job) => job.count,
            Task::Text(_) => at_once.clamp(1, task.count().max(1)),
        };
        Ok(Self { task, at_once, maximum, files })
    }

    /// The portions in which the images are drawn.
    pub fn portions(&self) -> Vec<Task> {
        self.task.portions(self.at_once)
    }

    /// What is asked for in one line, for comparison between roles.
    pub fn settings(&self) -> String {
        format!("at-once={};max={};{}", self.at_once, self.maximum, self.task.settings())
    }

    /// The architecture, checked, and what runs on shares.
    pub fn plan(&self) -> Result<(Architecture, Plans)> {
        self.task.check()?;
        if !(1..=MOST_AT_ONCE).contains(&self.at_once) {
            return Err("the client asks for a job that cannot be run".into());
        }
        let architecture = self.architecture()?;
        let plans = self.plans(&architecture)?;
        Ok((architecture, plans))
    }

    fn plans(&self, architecture: &Architecture) -> Result<Plans> {
        let portions = self.portions();
        let [Some(first), Some(last)] = [portions.first(), portions.last()] else {
            return Err("the client asks for no image".into());
        };
        let smaller = first.count() != last.count();
        let parts = |portion| architecture.parts(portion, self.maximum.into());
        Ok(Plans { first: parts(first)?, rest: if smaller { Some(parts(last)?) } else { None } })
    }

    fn architecture(&self) -> Result<Architecture> {
        let text = |name: &str| {
            self.files.get(name).map(String::as_str).ok_or_else(|| format!("the job comes without its {name}"))
        };
        Ok(match &self.task {
            Task::Class(_) => {
                let [unet, scheduler] = CLASS_FILES;
                Architecture::Class(Box::new(sampling::Architecture {
                    unet: UNet2dConfig::parse(unet, text(unet)?)?,
                    scheduler: SchedulerConfig::parse(scheduler, text(scheduler)?)?,
                }))
            }
            Task::Text(_) => {
                let [a, b, c, d] = StableDiffusionConfig::FILES;
                let texts = [text(a)?, text(b)?, text(c)?, text(d)?];
                Architecture::Text(Box::new(StableDiffusionConfig::parse(texts)?))
            }
        })
    }

    /// Names of the files that client and server must have in common, for people.
    pub fn files(&self) -> String {
        self.task.files().join(", ")
    }
}
