//! The seam between the command line and the engine: what the harness asks for and what it gets back.
//!
//! Nothing else in this crate calls the engine or the models crate, so everything around it is tested with an
//! [`Outcome`] made by hand.

mod chains;
mod local;
mod open_model;
mod remote;
mod role;
pub(crate) mod tiles;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use masque_engine::approx;
use masque_engine::gpu::{self, Form, Gpu};
use masque_engine::net;
use masque_models::sampling::{Guidance, Job};
use masque_models::{GuidanceWeight, Module, Origin, Place, Sampler, TextJob, TextRequest};

use crate::config::{AdapterChoice, Approx, GpuConfig, Kernels, Max, Mode, PlanConfig, RunConfig, Transport, Weight};
use crate::images::Fidelity;
use crate::model::Kind;
use crate::report::{Adapter, Layer, OfflineBytes, OnlineBytes, Role, RoleReport};
use crate::subject::Subject;
use crate::task::{Request, Task};
use crate::units;

use chains::Chains;
pub use open_model::OpenModel;
use open_model::Wanted;
pub use remote::{deal, serve};

/// Any error of the engine or the models; its `Display` and causes become the one line the user reads.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// What a running job tells the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A new part begins, e.g. `compiling kernels`; says nothing about how long it takes.
    Phase(&'static str),
    /// What the user should know, shown even where progress is not. It may hold a secret of the client's, whose terminal
    /// this is; no log gets it.
    Warning(String),
    /// Sampler steps done so far, counted per image.
    Steps {
        /// Steps done.
        done: u64,
        /// `steps * images`.
        total: u64,
    },
}

/// Images that are finished, while others of the job are not.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// Values nominally in [-1, 1], as `[n, h, w, c]`.
    pub values: Vec<f32>,
    /// `[n, h, w, c]`.
    pub extents: [usize; 4],
}

/// Who hears what becomes of a job.
pub trait Audience {
    /// How far it is.
    fn progress(&mut self, _event: Progress) {}

    /// Digest of the weights that are used, known before anything is drawn. An error calls the job off.
    fn model(&mut self, _weights: [u8; 32]) -> Result<(), EngineError> {
        Ok(())
    }

    /// The next images, in the order in which they were asked for. An error calls the job off.
    fn drawn(&mut self, images: Drawn) -> Result<(), EngineError>;
}

/// Figures of a finished job. Those that this process could not measure stay empty rather than guessed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Distance from the plaintext run with the same approximations and noise, if a comparison was made.
    pub fidelity: Option<Fidelity>,
    /// The adapter that computed.
    pub adapter: Adapter,
    /// From the start of the roles to the last image in the client's memory; the plaintext comparison is not part of it.
    pub wall_s: f64,
    /// Per role that this process ran (or that reported to it).
    pub roles: BTreeMap<Role, RoleReport>,
    /// Bytes between client and server after set-up.
    pub online_bytes: OnlineBytes,
    /// Bytes of corrections from the dealer.
    pub offline_bytes: OfflineBytes,
    /// Bytes sent once per session by all roles: handshake, keys, masked weights.
    pub setup_bytes: u64,
    /// Online messages that had to be waited for, one after another.
    pub rounds: u64,
    /// One entry per graph node, in graph order, summed over all steps and images.
    pub per_layer: Vec<Layer>,
    /// What this run revealed beyond the protocol's default; one sentence each.
    pub leaks: Vec<String>,
    /// Versions worth recording beside the harness's own, e.g. `wgpu`.
    pub versions: BTreeMap<String, String>,
}

/// One line of `harness devices`.
#[derive(Clone, Debug)]
pub struct Device {
    /// Adapter as reports name it, with the kernel variant it gets under `--kernels auto`.
    pub adapter: Adapter,
    /// `discrete`, `integrated`, `software`, ...
    pub kind: String,
    /// Name and value of each limit or feature that matters, for people.
    pub limits: Vec<(String, String)>,
}

/// What the jobs of this process share: opened at the first, kept for those that follow.
#[derive(Default)]
pub struct Engine(OnceCell<Opened>);

/// Model, devices, chains on disk.
struct Opened {
    model: OpenModel,
    /// One for each role that this process runs.
    gpus: Vec<Arc<Gpu>>,
    chains: Chains,
}

impl Engine {
    /// Digest of the weights that a job uses; nothing where they are at a server elsewhere, which says it when it takes a job.
    pub fn model(&self, config: &RunConfig, audience: &mut dyn Audience) -> Result<Option<[u8; 32]>, EngineError> {
        match config.transport {
            Transport::InProcess => Ok(Some(self.opened(config, audience)?.model.digest()?)),
            Transport::Remote { .. } => Ok(None),
        }
    }

    /// Draws images in the mode, and over the transport, that the settings name. Model, device and transport must be those
    /// of the first call.
    pub fn generate(&self, config: &RunConfig, audience: &mut dyn Audience) -> Result<Outcome, EngineError> {
        let opened = self.opened(config, audience)?;
        match (config.mode, &config.transport) {
            (Mode::Plain, _) => local::plain(config, opened, audience),
            (Mode::Secure, Transport::InProcess) => local::in_process(config, opened, audience),
            (Mode::Secure, Transport::Remote { server, dealer }) => {
                remote::client(config, opened, server, dealer, audience)
            }
        }
    }

    fn opened(&self, config: &RunConfig, audience: &mut dyn Audience) -> Result<&Opened, EngineError> {
        if self.0.get().is_none() {
            let _ = self.0.set(Opened::new(config, audience)?);
        }
        Ok(self.0.get().expect("it was just opened"))
    }
}

impl Opened {
    fn new(config: &RunConfig, audience: &mut dyn Audience) -> Result<Self, EngineError> {
        let (modules, devices) = match (config.mode, &config.transport) {
            (Mode::Plain, _) => (Module::ALL.to_vec(), 1),
            (Mode::Secure, Transport::InProcess) => (Module::ALL.to_vec(), 3),
            (Mode::Secure, Transport::Remote { .. }) => (client_modules(config), 1),
        };
        let model = OpenModel::open(&config.model, &modules)?;
        if devices > 1 {
            audience.progress(Progress::Phase("opening three devices"));
        }
        let choice = adapter_choice(&config.gpu);
        let gpus = (0..devices).map(|_| Gpu::open(&choice)).collect::<Result<_, _>>()?;
        Ok(Self { model, gpus, chains: Chains::new(config.cache.clone()) })
    }
}

impl From<Approx> for approx::Approx {
    fn from(a: Approx) -> Self {
        match a {
            Approx::Exact => Self::Exact,
            Approx::Precise => Self::Precise,
            Approx::Loose => Self::Loose,
            Approx::CipherDm => Self::Cipherdm,
        }
    }
}

impl From<Weight> for GuidanceWeight {
    fn from(w: Weight) -> Self {
        match w {
            Weight::Snr => Self::Snr,
            Weight::Beta => Self::Beta,
            Weight::Respaced => Self::Respaced,
        }
    }
}

impl From<Form> for Kernels {
    fn from(form: Form) -> Self {
        match form {
            Form::Native => Self::Native,
            Form::Portable => Self::Portable,
        }
    }
}

/// The adapter that the user wants, with the tiles that are fastest on it.
pub(crate) fn adapter_choice(gpu: &GpuConfig) -> gpu::AdapterChoice {
    let choice = choice(gpu);
    gpu::AdapterChoice { tiles: tiles::of(&choice), ..choice }
}

fn choice(gpu: &GpuConfig) -> gpu::AdapterChoice {
    gpu::AdapterChoice {
        adapter: gpu.adapter.as_ref().map(|a| match a {
            AdapterChoice::Index(i) => i.to_string(),
            AdapterChoice::Name(n) => n.clone(),
        }),
        form: match gpu.kernels {
            Kernels::Auto => None,
            Kernels::Native => Some(Form::Native),
            Kernels::Portable => Some(Form::Portable),
        },
        weights: gpu.memory,
        tiles: gpu::Tiles::default(),
    }
}

pub(crate) fn adapter_report(a: &gpu::AdapterReport) -> Adapter {
    Adapter { name: a.name.clone(), driver: a.driver.clone(), backend: a.backend.clone(), kernels: a.kernels.into() }
}

/// What a job's settings ask the roles for.
fn task(config: &RunConfig) -> Task {
    let guidance = Guidance {
        scale: f64::from(config.guidance.scale),
        eta: f64::from(config.guidance.eta),
        weight: config.guidance.weight.into(),
    };
    let (steps, approx) = (config.steps as usize, config.approx.into());
    match &config.subject {
        Subject::Classes(classes) => {
            let Guidance { scale, eta, weight } = guidance;
            Task::Class(Job { count: classes.0.len(), steps, seed: config.seed, scale, eta, weight, approx })
        }
        Subject::Prompts { prompts: _, origins, text } => Task::Text(TextRequest {
            job: TextJob {
                origins: origins.clone(),
                sampler: text.sampler,
                steps,
                guidance,
                approx,
                approx_text: text.approx_text.into(),
                approx_vae: text.approx_vae.into(),
            },
            text_encoder: text.text_encoder,
            vae: text.vae,
        }),
    }
}

/// What the client wants, as networks take it. Says what of a prompt is ignored.
fn wanted(config: &RunConfig, model: &OpenModel) -> Result<Wanted, EngineError> {
    match &config.subject {
        Subject::Classes(classes) => Ok(Wanted::Labels(classes.0.iter().map(|c| *c as usize).collect())),
        Subject::Prompts { prompts, .. } => {
            let tokens = |text: fn(&crate::subject::Prompt) -> &str| {
                prompts.0.iter().map(|p| model.tokens(text(p))).collect::<Result<Vec<_>, _>>()
            };
            Ok(Wanted::Prompts(tokens(|p| &p.text)?, tokens(|p| &p.negative)?))
        }
    }
}

/// The networks that a client runs itself.
fn client_modules(config: &RunConfig) -> Vec<Module> {
    match &config.subject {
        Subject::Classes(_) => vec![],
        Subject::Prompts { text, .. } => [(Module::TextEncoder, text.text_encoder), (Module::Vae, text.vae)]
            .into_iter()
            .filter_map(|(module, place)| (place == Place::Client).then_some(module))
            .collect(),
    }
}

fn request(config: &RunConfig) -> Result<Request, EngineError> {
    Request::new(&config.model.path, task(config), config.at_once, config.maximum.unwrap_or_default())
}

fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([("wgpu".into(), "30".into()), ("protocol".into(), net::PROTOCOL_VERSION.to_string())])
}

/// Most resident memory of this process so far; 0 where the system does not say.
pub(crate) fn peak_rss() -> u64 {
    memory("/proc/self/status", "VmHWM:").unwrap_or(0)
}

/// Resident memory of this process, where the system says.
pub(crate) fn rss() -> Option<u64> {
    memory("/proc/self/status", "VmRSS:")
}

/// Memory that the machine can still give, where the system says.
pub(crate) fn free_memory() -> Option<u64> {
    memory("/proc/meminfo", "MemAvailable:")
}

/// Memory of the machine, where the system says.
pub(crate) fn machine_memory() -> Option<u64> {
    memory("/proc/meminfo", "MemTotal:")
}

/// A line of a file in which Linux counts memory in kB.
fn memory(file: &str, line: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|l| l.strip_prefix(line))?;
    rest.trim().trim_end_matches("kB").trim().parse().ok().map(|kilobytes: u64| kilobytes << 10)
}

/// All adapters, in the order of their indices.
pub fn devices() -> Result<Vec<Device>, EngineError> {
    Ok(gpu::adapters()
        .into_iter()
        .map(|a| Device {
            adapter: adapter_report(&a),
            kind: a.kind.clone(),
            limits: vec![
                ("largest binding".into(), units::bytes(a.max_binding_bytes)),
                ("largest buffer".into(), units::bytes(a.max_buffer_bytes)),
                ("storage buffers per kernel".into(), a.max_storage_buffers.to_string()),
                ("threads per workgroup".into(), a.max_workgroup_threads.to_string()),
            ],
        })
        .collect())
}

/// The fixed-point plans of a model's networks as tables for people.
pub fn plan(config: &PlanConfig) -> Result<String, EngineError> {
    let (count, steps, approx) = (config.count as usize, 1, config.approx.into());
    let guidance = Guidance { scale: 1.0, eta: 0.0, weight: GuidanceWeight::Respaced };
    let task = match config.model.kind {
        Kind::Classes(_) => {
            let Guidance { scale, eta, weight } = guidance;
            Task::Class(Job { count, steps, seed: 0, scale, eta, weight, approx })
        }
        Kind::Text => {
            let origins = (0..count as u64).map(|image| Origin { seed: 0, image }).collect();
            let (sampler, place) = (Sampler::Ddim, Place::Secure);
            let (approx_text, approx_vae) = (approx, approx);
            let job = TextJob { origins, sampler, steps, guidance, approx, approx_text, approx_vae };
            Task::Text(TextRequest { job, text_encoder: place, vae: place })
        }
    };
    let (_, plans) = Request::new(&config.model.path, task, count, Max::Secure)?.plan()?;
    Ok(plans.first.iter().map(|part| part.plan.table(&part.graph)).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::synthetic;

    #[test]
    fn how_maxima_are_found_is_part_of_the_fingerprint() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for model in ["mini-sd", "binary-mnist"] {
            let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(model);
            let agreed = |max: &str| {
                let config = synthetic::resolve_for(dir.path(), &model, &["--max", max]).expect("good settings");
                let request = request(&config).expect("a model");
                let (architecture, plans) = request.plan().expect("a plan");
                assert!(architecture.agrees(&architecture, &request));
                (plans.fingerprint(), request.settings())
            };
            let ((secure, settings), (revealed, other)) = (agreed("secure"), agreed("revealed"));
            assert_ne!(secure, revealed);
            assert_eq!(settings.replace("max=secure", "max=revealed"), other);
        }
    }
}
