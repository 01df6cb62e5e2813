//! The seam between the command line and the engine: what the harness asks for and what it gets back.
//!
//! Nothing else in this crate calls the engine or the models crate, so everything around it is tested with an
//! [`Outcome`] made by hand.

mod local;
mod remote;
mod role;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use masque_engine::approx;
use masque_engine::gpu::{self, Form};
use masque_engine::graph::WeightStore;
use masque_engine::net;
use masque_models::sampling::{Architecture, Job};
use masque_models::{ClassModel, GuidanceWeight};

use crate::config::{AdapterChoice, Approx, GpuConfig, Kernels, Mode, PlanConfig, RunConfig, Transport, Weight};
use crate::model::Model;
use crate::report::{Adapter, Layer, OfflineBytes, OnlineBytes, Role, RoleReport};
use crate::session::Request;
use crate::units;

pub use remote::{deal, serve};

/// Longest silence of a peer before a role gives up.
const STALL: Duration = Duration::from_secs(180);

/// Any error of the engine or the models; its `Display` and causes become the one line the user reads.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// What a running job tells the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A new part begins, e.g. `compiling kernels`; says nothing about how long it takes.
    Phase(&'static str),
    /// Sampler steps done so far, counted per image.
    Steps {
        /// Steps done.
        done: u64,
        /// `steps * images`.
        total: u64,
    },
}

/// Everything a finished job hands over. Figures that this process could not measure stay empty rather than guessed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Final images, values nominally in [-1, 1], as `[n, h, w, c]`.
    pub images: Vec<f32>,
    /// `[n, h, w, c]`.
    pub extents: [usize; 4],
    /// The plaintext run's images with the same approximations and noise, if a comparison was made.
    pub reference: Option<Vec<f32>>,
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

/// Generates images in the mode, and over the transport, that the settings name.
pub fn generate(config: &RunConfig, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
    match (config.mode, &config.transport) {
        (Mode::Plain, _) => local::plain(config, progress),
        (Mode::Secure, Transport::InProcess) => local::in_process(config, progress),
        (Mode::Secure, Transport::Remote { server, dealer }) => remote::client(config, server, dealer, progress),
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

pub(crate) fn adapter_choice(gpu: &GpuConfig) -> gpu::AdapterChoice {
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
    }
}

pub(crate) fn adapter_report(a: &gpu::AdapterReport) -> Adapter {
    Adapter { name: a.name.clone(), driver: a.driver.clone(), backend: a.backend.clone(), kernels: a.kernels.into() }
}

fn job(config: &RunConfig) -> Job {
    Job {
        count: config.images(),
        steps: config.steps as usize,
        seed: config.seed,
        scale: f64::from(config.guidance.scale),
        eta: f64::from(config.guidance.eta),
        weight: config.guidance.weight.into(),
        approx: config.approx.into(),
    }
}

fn labels(config: &RunConfig) -> Vec<usize> {
    config.classes.0.iter().map(|c| *c as usize).collect()
}

fn request(model: &Model, job: Job) -> Result<Request, EngineError> {
    let text = |name: &str| {
        let path = model.path.join(name);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    Ok(Request { job, unet: text("unet/config.json")?, scheduler: text("scheduler/scheduler_config.json")? })
}

fn extents(model: &Architecture, count: usize) -> [usize; 4] {
    let [h, w] = model.unet.sample_size;
    [count, h, w, model.unet.out_channels]
}

fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([("wgpu".into(), "30".into()), ("protocol".into(), net::PROTOCOL_VERSION.to_string())])
}

/// Most resident memory of this process so far; 0 where the system does not say.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn open_model(path: &Path) -> Result<(Architecture, Arc<dyn WeightStore>), EngineError> {
    let model = ClassModel::open(path)?;
    let architecture = Architecture { unet: model.config, scheduler: model.scheduler };
    Ok((architecture, Arc::new(model.weights)))
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

/// The fixed-point plan of a model as a table for people.
pub fn plan(config: &PlanConfig) -> Result<String, EngineError> {
    let job = Job {
        count: config.count as usize,
        steps: 1,
        seed: 0,
        scale: 1.0,
        eta: 0.0,
        weight: GuidanceWeight::Respaced,
        approx: config.approx.into(),
    };
    let (_, graph, plan) = request(&config.model, job)?.plan()?;
    Ok(plan.table(&graph))
}
