//! Jobs that need no other process: plaintext, and the three roles as threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use masque_engine::gpu::Gpu;
use masque_engine::graph::WeightStore;
use masque_engine::net::{self, Listener};
use masque_models::sampling::{self, Architecture, Job};

use super::role::{self, Done};
use super::{EngineError, Outcome, Progress, STALL, adapter_choice, adapter_report, extents, job, labels, open_model};
use super::{peak_rss, versions};
use crate::config::RunConfig;
use crate::report::{Role, RoleReport};
use crate::session;

/// In f32 on one device.
pub(super) fn plain(config: &RunConfig, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
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
    let known = role::unconditional_chain(gpu, model, weights, job)?;
    let total = (job.steps * job.count) as u64;
    let mut step = |done: usize| progress(Progress::Steps { done: (done * job.count) as u64, total });
    Ok(sampling::sample_plain(gpu.clone(), model, weights.clone(), job, labels, known.as_deref(), &mut step)?)
}

/// Client, server and dealer as threads of this process, over TCP on loopback.
pub(super) fn in_process(config: &RunConfig, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
    let (model, weights) = open_model(&config.model.path)?;
    let choice = adapter_choice(&config.gpu);
    progress(Progress::Phase("opening three devices"));
    let gpus = [Gpu::open(&choice)?, Gpu::open(&choice)?, Gpu::open(&choice)?];
    let (dealer_at, server_at) = (Listener::bind("127.0.0.1:0")?, Listener::bind("127.0.0.1:0")?);
    let (dealer_addr, server_addr) = (dealer_at.local_addr().to_string(), server_at.local_addr().to_string());
    let keys = config.test_keys.map(|k| k.0);
    let start = Instant::now();
    let (client, server, dealer) = std::thread::scope(|scope| {
        let dealer = scope.spawn(|| role::deal_one(gpus[2].clone(), &dealer_at, keys));
        let server = scope.spawn(|| {
            let client = server_at.accept("client", &session::options(net::Role::Server, STALL))?;
            role::serve_one(gpus[1].clone(), client, &dealer_addr, &model, weights.clone())
        });
        let client = role::client_job(gpus[0].clone(), config, &server_addr, &dealer_addr, progress);
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
    let mut out =
        role::outcome(config, &gpus[0], wall_s, client, vec![(Role::Server, server), (Role::Dealer, dealer)])?;
    if config.fidelity {
        progress(Progress::Phase("comparing with the plaintext run"));
        out.reference = Some(plain_images(&gpus[0], &model, &weights, &job(config), &labels(config), &mut |_| {})?);
    }
    Ok(out)
}
