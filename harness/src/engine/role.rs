//! One role of a secure job from joining to its figures, wherever the other two are.

use std::sync::Arc;
use std::time::Duration;

use masque_engine::exec::NodeStats;
use masque_engine::gpu::Gpu;
use masque_engine::graph::Graph;
use masque_engine::net::{self, Listener, TcpOptions};
use masque_engine::protocol::Cost;
use masque_models::{Module, Place, Prompt, Wish, sampling, secure_text};

use super::chains::Chains;
use super::{
    Audience, Drawn, EngineError, OpenModel, Outcome, Progress, Wanted, adapter_report, peak_rss, request, versions,
    wanted,
};
use crate::config::{Max, RunConfig};
use crate::report::{Layer, OfflineBytes, OnlineBytes, Role, RoleReport};
use crate::session::{self, Ready};
use crate::task::{Architecture, Task};

/// What a role measured of one network.
struct Measured {
    graph: Arc<Graph>,
    stats: Vec<NodeStats>,
}

/// What a role hands back.
pub(super) struct Done {
    /// The networks by their names.
    networks: Vec<(Module, Measured)>,
    total: Cost,
    report: RoleReport,
    setup_bytes: u64,
}

/// The client's side of a session.
struct Client<'a> {
    /// Its own part of the model.
    own: &'a OpenModel,
    wanted: &'a Wanted,
    audience: &'a mut dyn Audience,
}

/// What a role brings to a session.
enum Side<'a> {
    Client(Client<'a>),
    Server(&'a OpenModel, &'a Chains),
    Dealer,
}

/// Runs a role in its session, portion by portion.
fn run_role(gpu: &Arc<Gpu>, mut ready: Ready, mut side: Side<'_>) -> Result<Done, EngineError> {
    let (before, all) = (ready.secure.ctx.cost(), ready.request.task.count());
    let mut drawn = 0;
    for task in ready.request.portions() {
        let count = task.count();
        if drawn + count == all
            && let Some(parts) = ready.rest.take()
        {
            secure_text::resize(&mut ready.secure, parts)?;
        }
        let known = match &side {
            Side::Server(model, chains) => ready.prepare(|alive| {
                if drawn == 0 {
                    model.check_ranges(gpu, &task)?;
                }
                model.chain(gpu, chains, &task, alive)
            })?,
            Side::Client(_) => ready.prepared().map(|()| None)?,
            Side::Dealer => None,
        };
        let Side::Client(client) = &mut side else {
            draw(gpu, &mut ready, &task, None, known.as_deref(), &mut |_| {})?;
            drawn += count;
            continue;
        };
        let wanted = client.wanted.part(drawn..drawn + count);
        let (steps, total) = (task.steps() * drawn, (task.steps() * all) as u64);
        let mut progress = |done: usize| {
            client.audience.progress(Progress::Steps { done: (steps + done * count) as u64, total });
        };
        let values = draw(gpu, &mut ready, &task, Some((client.own, &wanted)), None, &mut progress)?;
        let values = values.ok_or("the client received no image")?;
        client.audience.drawn(Drawn { values, extents: ready.architecture.extents(count) })?;
        drawn += count;
    }
    let s = &ready.secure;
    let report = RoleReport {
        compute_s: s.ctx.rec.busy().as_secs_f64(),
        wait_s: s.ctx.waited().as_secs_f64(),
        peak_gpu_bytes: s.ctx.rec.peak_bytes(),
        peak_rss_bytes: peak_rss(),
    };
    let total = s.ctx.cost() - before;
    let networks = ready.secure.into_networks();
    let networks = networks.into_iter().map(|n| Measured { graph: n.graph, stats: n.stats });
    let networks = ready.modules.into_iter().zip(networks).collect();
    Ok(Done { networks, total, report, setup_bytes: ready.setup_bytes })
}

/// The images of one portion, at the client.
fn draw(
    gpu: &Arc<Gpu>,
    ready: &mut Ready,
    task: &Task,
    client: Option<(&OpenModel, &Wanted)>,
    known: Option<&[Vec<f32>]>,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Vec<f32>>, EngineError> {
    let s = &mut ready.secure;
    match (&ready.architecture, task) {
        (Architecture::Class(model), Task::Class(job)) => {
            let labels = match client {
                Some((_, Wanted::Labels(labels))) => Some(&labels[..]),
                _ => None,
            };
            Ok(sampling::sample_secure(s, model, job, labels, known, progress)?)
        }
        (Architecture::Text(model), Task::Text(request)) => {
            let wish = Given::new(gpu, task, client)?;
            let drawn = secure_text::generate(s, model, request, wish.as_wish().as_ref(), known, progress)?;
            match (client, drawn) {
                (Some((own, _)), Some(latents)) if request.vae == Place::Client => {
                    Ok(Some(own.decode(gpu, task, &latents)?))
                }
                (_, drawn) => Ok(drawn),
            }
        }
        _ => Err("a model of another kind than the job needs".into()),
    }
}

/// What the client gives the networks of a text-to-image model.
enum Given {
    Tokens(Vec<u32>),
    Conditions(Vec<f32>),
    Nothing,
}

impl Given {
    fn new(gpu: &Arc<Gpu>, task: &Task, client: Option<(&OpenModel, &Wanted)>) -> Result<Self, EngineError> {
        let (Some((own, Wanted::Prompts(prompts, negative))), Task::Text(request)) = (client, task) else {
            return Ok(Self::Nothing);
        };
        let negative: &[Prompt] = if request.job.guided() { negative } else { &[] };
        let all = [&prompts[..], negative].concat();
        Ok(match request.text_encoder {
            Place::Secure => Self::Tokens(all.into_iter().flat_map(|p| p.ids).collect()),
            Place::Client => Self::Conditions(own.encode(gpu, task, &all)?),
        })
    }

    fn as_wish(&self) -> Option<Wish<'_>> {
        match self {
            Self::Tokens(ids) => Some(Wish::Tokens(ids)),
            Self::Conditions(values) => Some(Wish::Conditions(values)),
            Self::Nothing => None,
        }
    }
}

/// One session of the server.
pub(super) fn serve_one(
    gpu: Arc<Gpu>,
    client: Box<dyn net::Channel>,
    dealer: &str,
    (model, maximum): (&OpenModel, Max),
    chains: &Chains,
    opts: &TcpOptions,
) -> Result<Done, EngineError> {
    let ready = session::server(gpu.clone(), client, dealer, (model, maximum), opts)?;
    run_role(&gpu, ready, Side::Server(model, chains))
}

/// One session of the dealer.
pub(super) fn deal_one(
    gpu: Arc<Gpu>,
    listener: &Listener,
    keys: Option<u64>,
    maximum: Max,
    stall: Duration,
) -> Result<Done, EngineError> {
    let ready = session::dealer(gpu.clone(), listener, (keys, maximum), &session::options(net::Role::Dealer, stall))?;
    run_role(&gpu, ready, Side::Dealer)
}

/// The client's side of a job.
pub(super) fn client_job(
    gpu: Arc<Gpu>,
    config: &RunConfig,
    own: &OpenModel,
    server: &str,
    dealer: &str,
    audience: &mut dyn Audience,
) -> Result<Done, EngineError> {
    let wanted = wanted(config, own)?;
    wanted.warn(audience);
    audience.progress(Progress::Phase("setting up the session"));
    let opts = session::options(net::Role::Client, config.stall);
    let accepted = &mut |weights| audience.model(weights);
    let ready = session::client(gpu.clone(), server, dealer, request(config)?, &opts, accepted)?;
    audience.progress(Progress::Phase("sampling on shares"));
    run_role(&gpu, ready, Side::Client(Client { own, wanted: &wanted, audience }))
}

/// What lies outside a network and is counted with it: its name and operation in reports.
fn outside(module: Module) -> (&'static str, &'static str) {
    match module {
        Module::TextEncoder => ("condition", "carry"),
        Module::Unet => ("sampler", "guidance"),
        Module::Vae => ("image", "reveal"),
    }
}

/// The nodes of all networks with what they cost; what lies outside a network is one more line. Where there are several
/// networks, names begin with theirs.
fn layers(client: &Done, all: &[&Done]) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (at, (module, measured)) in client.networks.iter().enumerate() {
        let prefix = match client.networks.len() {
            1 => String::new(),
            _ => format!("{}.", module.name()),
        };
        let nodes = measured.graph.nodes.iter().map(|n| (n.name.as_str(), n.op.name()));
        for (i, ((name, op), stats)) in nodes.chain([outside(*module)]).zip(&measured.stats).enumerate() {
            layers.push(Layer {
                name: format!("{prefix}{name}"),
                op: op.to_owned(),
                compute_s: all.iter().map(|d| d.networks[at].1.stats[i].compute.as_secs_f64()).sum(),
                online_bytes: stats.cost.to_server + stats.cost.to_client,
                offline_bytes: stats.cost.offline,
                rounds: stats.cost.half_rounds.div_ceil(2),
            });
        }
    }
    layers
}

/// What the roles of this process found, put together.
pub(super) fn outcome(gpu: &Gpu, wall_s: f64, client: Done, others: Vec<(Role, Done)>) -> Result<Outcome, EngineError> {
    let all: Vec<&Done> = [&client].into_iter().chain(others.iter().map(|(_, d)| d)).collect();
    let per_layer = layers(&client, &all);
    let setup_bytes = all.iter().map(|d| d.setup_bytes).sum();
    let roles = [(Role::Client, client.report)].into_iter().chain(others.iter().map(|(r, d)| (*r, d.report)));
    Ok(Outcome {
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
        ..Outcome::default()
    })
}
