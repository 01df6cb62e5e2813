//! One role of a secure job from joining to its figures, wherever the other two are.

use std::sync::Arc;
use std::time::Duration;

use masque_engine::exec::NodeStats;
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::net::{self, Listener, TcpOptions};
use masque_engine::protocol::Cost;
use masque_models::sampling::{self, Architecture, Job};

use super::{EngineError, Outcome, Progress, adapter_report, extents, job, labels, peak_rss, request, versions};
use crate::config::RunConfig;
use crate::report::{Layer, OfflineBytes, OnlineBytes, Role, RoleReport};
use crate::session::{self, Ready};

/// The plaintext chain that the score guidance looks at; none without that guidance.
pub(super) fn unconditional_chain(
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
pub(super) struct Done {
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

/// One session of the server.
pub(super) fn serve_one(
    gpu: Arc<Gpu>,
    client: Box<dyn net::Channel>,
    dealer: &str,
    model: &Architecture,
    weights: Arc<dyn WeightStore>,
    opts: &TcpOptions,
) -> Result<Done, EngineError> {
    let ready = session::server(gpu.clone(), client, dealer, model, weights.clone(), opts)?;
    let job = &ready.request.job;
    sampling::check_model(gpu.clone(), model, weights.clone(), job, &ready.secure.plan)?;
    let known = unconditional_chain(&gpu, model, &weights, job)?;
    run_role(ready, None, known.as_deref(), &mut |_| {})
}

/// One session of the dealer.
pub(super) fn deal_one(
    gpu: Arc<Gpu>,
    listener: &Listener,
    keys: Option<u64>,
    stall: Duration,
) -> Result<Done, EngineError> {
    let ready = session::dealer(gpu, listener, keys, &session::options(net::Role::Dealer, stall))?;
    run_role(ready, None, None, &mut |_| {})
}

/// The client's side of a job.
pub(super) fn client_job(
    gpu: Arc<Gpu>,
    config: &RunConfig,
    server: &str,
    dealer: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Done, EngineError> {
    progress(Progress::Phase("setting up the session"));
    let request = request(&config.model, job(config))?;
    let total = (request.job.steps * request.job.count) as u64;
    let count = request.job.count;
    let ready = session::client(gpu, server, dealer, request, &session::options(net::Role::Client, config.stall))?;
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

/// What the roles of this process found, put together.
pub(super) fn outcome(
    config: &RunConfig,
    gpu: &Gpu,
    wall_s: f64,
    client: Done,
    others: Vec<(Role, Done)>,
) -> Result<Outcome, EngineError> {
    let (model, graph, _) = request(&config.model, job(config))?.plan()?;
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
