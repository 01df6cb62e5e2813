//! The seam between the command line and the engine: what the harness asks for and what it gets back.
//!
//! Nothing else in this crate calls the engine or the models crate (but for [`crate::bench`], which measures them), so
//! everything around it is tested with an [`Outcome`] made by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use masque_engine::approx;
use masque_engine::exec::NodeStats;
use masque_engine::gpu::{self, Form, Gpu};
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::net::{self, Listener};
use masque_engine::protocol::Cost;
use masque_models::sampling::{self, Architecture, Job};
use masque_models::{ClassModel, GuidanceWeight};

use crate::config::{
    AdapterChoice, Approx, DealerConfig, GpuConfig, Kernels, Mode, PlanConfig, RunConfig, ServeConfig,
};
use crate::config::{Transport, Weight};
use crate::report::{Adapter, Layer, OfflineBytes, OnlineBytes, Role, RoleReport};
use crate::session::{self, Ready, Request};
use crate::units;

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
        (Mode::Plain, _) => plain(config, progress),
        (Mode::Secure, Transport::InProcess) => in_process(config, progress),
        (Mode::Secure, Transport::Remote { server, dealer }) => remote(config, server, dealer, progress),
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
    Adapter {
        name: a.name.clone(),
        driver: a.driver.clone(),
        backend: a.backend.clone(),
        kernels: match a.kernels {
            Form::Native => Kernels::Native,
            Form::Portable => Kernels::Portable,
        },
    }
}

fn job(config: &RunConfig) -> Job {
    Job {
        count: config.images(),
        steps: config.steps as usize,
        seed: config.seed,
        scale: f64::from(config.guidance.scale),
        eta: f64::from(config.guidance.eta),
        weight: match config.guidance.weight {
            Weight::Snr => GuidanceWeight::Snr,
            Weight::Beta => GuidanceWeight::Beta,
            Weight::Respaced => GuidanceWeight::Respaced,
        },
        approx: match config.approx {
            Approx::Exact => approx::Approx::Exact,
            Approx::Precise => approx::Approx::Precise,
            Approx::Loose => approx::Approx::Loose,
            Approx::CipherDm => approx::Approx::Cipherdm,
        },
    }
}

fn labels(config: &RunConfig) -> Vec<usize> {
    config.classes.0.iter().map(|c| *c as usize).collect()
}

fn request(config: &RunConfig) -> Result<Request, EngineError> {
    let text = |name: &str| {
        let path = config.model.path.join(name);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    Ok(Request {
        job: job(config),
        unet: text("unet/config.json")?,
        scheduler: text("scheduler/scheduler_config.json")?,
    })
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

fn open_model(path: &std::path::Path) -> Result<(Architecture, Arc<dyn WeightStore>), EngineError> {
    let model = ClassModel::open(path)?;
    let architecture = Architecture { unet: model.config, scheduler: model.scheduler };
    Ok((architecture, Arc::new(model.weights)))
}

fn plain(config: &RunConfig, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
    let (model, weights) = open_model(&config.model.path)?;
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let job = job(config);
    let start = Instant::now();
    let images = plain_images(&gpu, &model, &weights, &job, &labels(config), progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let report = RoleReport { compute_s: wall_s, wait_s: 0.0, peak_gpu_bytes: 0, peak_rss_bytes: peak_rss() };
    Ok(Outcome {
        images,
        extents: extents(&model, job.count),
        adapter: adapter_report(&gpu.describe()),
        wall_s,
        roles: BTreeMap::from([(Role::Plain, report)]),
        versions: versions(),
        ..Outcome::default()
    })
}

fn plain_images(
    gpu: &Arc<Gpu>,
    model: &Architecture,
    weights: &Arc<dyn WeightStore>,
    job: &Job,
    labels: &[usize],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EngineError> {
    let known = unconditional_chain(gpu, model, weights, job)?;
    let total = (job.steps * job.count) as u64;
    let mut step = |done: usize| progress(Progress::Steps { done: (done * job.count) as u64, total });
    Ok(sampling::sample_plain(gpu.clone(), model, weights.clone(), job, labels, known.as_deref(), &mut step)?)
}

fn unconditional_chain(
    gpu: &Arc<Gpu>,
    model: &Architecture,
    weights: &Arc<dyn WeightStore>,
    job: &Job,
) -> Result<Option<Vec<Vec<f32>>>, EngineError> {
    if job.eta == 0.0 {
        return Ok(None);
    }
    Ok(Some(sampling::unconditional(gpu.clone(), model, weights.clone(), job)?))
}

/// What a role hands back.
struct Done {
    images: Option<Vec<f32>>,
    stats: Vec<NodeStats>,
    total: Cost,
    report: RoleReport,
    setup_bytes: u64,
}

fn run_role(
    mut ready: Ready,
    labels: Option<&[usize]>,
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Done, EngineError> {
    let before = ready.secure.ctx.cost();
    let s = &mut ready.secure;
    let images = sampling::sample_secure(s, &ready.architecture, &ready.request.job, labels, known, progress)?;
    let report = RoleReport {
        compute_s: s.ctx.rec.busy().as_secs_f64(),
        wait_s: s.ctx.waited().as_secs_f64(),
        peak_gpu_bytes: s.ctx.rec.peak_bytes(),
        peak_rss_bytes: peak_rss(),
    };
    let total = s.ctx.cost() - before;
    Ok(Done { images, stats: std::mem::take(&mut s.stats), total, report, setup_bytes: ready.setup_bytes })
}

fn serve_one(
    gpu: Arc<Gpu>,
    client: Box<dyn net::Channel>,
    dealer: &str,
    model: &Architecture,
    weights: Arc<dyn WeightStore>,
) -> Result<Done, EngineError> {
    let opts = session::options(net::Role::Server, STALL);
    let ready = session::server(gpu.clone(), client, dealer, model, weights.clone(), &opts)?;
    let known = unconditional_chain(&gpu, model, &weights, &ready.request.job)?;
    run_role(ready, None, known.as_deref(), &mut |_| {})
}

fn deal_one(gpu: Arc<Gpu>, listener: &Listener, keys: Option<u64>) -> Result<Done, EngineError> {
    let ready = session::dealer(gpu, listener, keys, &session::options(net::Role::Dealer, STALL))?;
    run_role(ready, None, None, &mut |_| {})
}

fn client_job(
    gpu: Arc<Gpu>,
    config: &RunConfig,
    server: &str,
    dealer: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Done, EngineError> {
    progress(Progress::Phase("setting up the session"));
    let request = request(config)?;
    let total = (request.job.steps * request.job.count) as u64;
    let count = request.job.count;
    let ready = session::client(gpu, server, dealer, request, &session::options(net::Role::Client, STALL))?;
    progress(Progress::Phase("sampling on shares"));
    run_role(ready, Some(&labels(config)), None, &mut |done| {
        progress(Progress::Steps { done: (done * count) as u64, total });
    })
}

/// The graph's nodes with what they cost; what lies outside the graph is one more line.
fn layers(graph: &Graph, client: &Done, all: &[&Done]) -> Vec<Layer> {
    let names = graph.nodes.iter().map(|n| (n.name.clone(), n.op.name().to_owned()));
    names
        .chain([("sampler".to_owned(), "guidance".to_owned())])
        .zip(&client.stats)
        .enumerate()
        .map(|(i, ((name, op), stats))| Layer {
            name,
            op,
            compute_s: all.iter().map(|d| d.stats[i].compute.as_secs_f64()).sum(),
            online_bytes: stats.cost.to_server + stats.cost.to_client,
            offline_bytes: stats.cost.offline,
            rounds: stats.cost.half_rounds.div_ceil(2),
        })
        .collect()
}

fn outcome(
    config: &RunConfig,
    gpu: &Gpu,
    wall_s: f64,
    client: Done,
    others: Vec<(Role, Done)>,
) -> Result<Outcome, EngineError> {
    let (model, graph, _) = request(config)?.plan()?;
    let all: Vec<&Done> = [&client].into_iter().chain(others.iter().map(|(_, d)| d)).collect();
    let per_layer = layers(&graph, &client, &all);
    let setup_bytes = all.iter().map(|d| d.setup_bytes).sum();
    let roles = [(Role::Client, client.report)].into_iter().chain(others.iter().map(|(r, d)| (*r, d.report)));
    Ok(Outcome {
        extents: extents(&model, config.images()),
        adapter: adapter_report(&gpu.describe()),
        wall_s,
        roles: roles.collect(),
        online_bytes: OnlineBytes {
            client_to_server: client.total.to_server,
            server_to_client: client.total.to_client,
        },
        offline_bytes: OfflineBytes { dealer_to_client: 0, dealer_to_server: client.total.offline },
        setup_bytes,
        rounds: client.total.half_rounds.div_ceil(2),
        per_layer,
        versions: versions(),
        images: client.images.ok_or("the client received no image")?,
        ..Outcome::default()
    })
}

fn remote(
    config: &RunConfig,
    server: &str,
    dealer: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, EngineError> {
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let start = Instant::now();
    let done = client_job(gpu.clone(), config, server, dealer, progress)?;
    outcome(config, &gpu, start.elapsed().as_secs_f64(), done, vec![])
}

fn in_process(config: &RunConfig, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
    let (model, weights) = open_model(&config.model.path)?;
    let choice = adapter_choice(&config.gpu);
    progress(Progress::Phase("opening three devices"));
    let gpus = [Gpu::open(&choice)?, Gpu::open(&choice)?, Gpu::open(&choice)?];
    let (dealer_at, server_at) = (Listener::bind("127.0.0.1:0")?, Listener::bind("127.0.0.1:0")?);
    let (dealer_addr, server_addr) = (dealer_at.local_addr().to_string(), server_at.local_addr().to_string());
    let keys = config.test_keys.map(|k| k.0);
    let start = Instant::now();
    let (client, server, dealer) = std::thread::scope(|scope| {
        let dealer = scope.spawn(|| deal_one(gpus[2].clone(), &dealer_at, keys));
        let server = scope.spawn(|| {
            let client = server_at.accept("client", &session::options(net::Role::Server, STALL))?;
            serve_one(gpus[1].clone(), client, &dealer_addr, &model, weights.clone())
        });
        let client = client_job(gpus[0].clone(), config, &server_addr, &dealer_addr, progress);
        if client.is_err() {
            // A role that still waits for a connection would wait for ever: let it see one that closes.
            for addr in [&dealer_addr, &server_addr] {
                let _ = std::net::TcpStream::connect(addr);
            }
        }
        let join = |h: std::thread::ScopedJoinHandle<'_, Result<Done, EngineError>>| {
            h.join().unwrap_or_else(|_| Err("a role's thread panicked; this is a bug".into()))
        };
        (client, join(server), join(dealer))
    });
    let wall_s = start.elapsed().as_secs_f64();
    // The error that is nobody's network trouble is the cause of the others.
    let mut errors = Vec::new();
    let mut keep = |r: Result<Done, EngineError>| r.map_err(|e| errors.push(e)).ok();
    let done = [keep(client), keep(server), keep(dealer)];
    if !errors.is_empty() {
        let cause = errors.iter().position(|e| !session::is_network(e)).unwrap_or(0);
        return Err(errors.swap_remove(cause));
    }
    let [Some(client), Some(server), Some(dealer)] = done else { unreachable!("no error") };
    let mut out = outcome(config, &gpus[0], wall_s, client, vec![(Role::Server, server), (Role::Dealer, dealer)])?;
    if config.fidelity {
        progress(Progress::Phase("comparing with the plaintext run"));
        out.reference = Some(plain_images(&gpus[0], &model, &weights, &job(config), &labels(config), &mut |_| {})?);
    }
    Ok(out)
}

/// Serves a model's weights until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn serve(config: &ServeConfig, listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    let (model, weights) = open_model(&config.model.path)?;
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let listener = Listener::bind(&config.listen)?;
    listening(listener.local_addr());
    sessions(config.sessions, || {
        let client = listener.accept("client", &session::options(net::Role::Server, STALL))?;
        serve_one(gpu.clone(), client, &config.dealer, &model, weights.clone())
    })
}

/// Deals correlated randomness until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn deal(config: &DealerConfig, listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let listener = Listener::bind(&config.listen)?;
    listening(listener.local_addr());
    sessions(config.sessions, || deal_one(gpu.clone(), &listener, config.test_keys.map(|k| k.0)))
}

/// Runs sessions one after another. Where their number is agreed a failed one ends the process; a role that serves for
/// ever says what failed and goes on.
fn sessions(count: Option<u32>, mut one: impl FnMut() -> Result<Done, EngineError>) -> Result<(), EngineError> {
    let mut left = count;
    while left != Some(0) {
        match one() {
            Ok(_) => tracing::info!("session done"),
            Err(e) if left.is_none() => tracing::error!("session failed: {e}"),
            Err(e) => return Err(e),
        }
        left = left.map(|n| n - 1);
    }
    Ok(())
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
    let text = |name: &str| {
        let path = config.model.path.join(name);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let approx = match config.approx {
        Approx::Exact => approx::Approx::Exact,
        Approx::Precise => approx::Approx::Precise,
        Approx::Loose => approx::Approx::Loose,
        Approx::CipherDm => approx::Approx::Cipherdm,
    };
    let job = Job {
        count: config.count as usize,
        steps: 1,
        seed: 0,
        scale: 1.0,
        eta: 0.0,
        weight: GuidanceWeight::Respaced,
        approx,
    };
    let request = Request { job, unet: text("unet/config.json")?, scheduler: text("scheduler/scheduler_config.json")? };
    let (_, graph, plan) = request.plan()?;
    Ok(plan.table(&graph))
}
