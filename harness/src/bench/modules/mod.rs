//! Whole networks of a model between three roles: what each costs, beside the paper's Table 9.

mod input;
mod report;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use masque_engine::approx::Approx;
use masque_engine::correlated::Scope;
use masque_engine::exec::{ExecError, Plain, Secure};
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Tensor, WeightStore};
use masque_engine::net::Link;
use masque_engine::protocol::Cost;
use masque_models::forward::Difference;
use masque_models::{Forward, Info, ModuleConfig};

use super::Result;
use super::report::Spread;
use super::trio::Trio;

pub use input::{Source, example};
pub use report::{Report, Row, SCHEMA, Timed};
pub use table::{csv, text};

/// When the dealer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealing {
    /// Before the parties, so that both phases have a time of their own. The server holds all corrections of an evaluation.
    Before,
    /// While the parties compute, who then share the machine with it.
    Meanwhile,
}

/// A network whose weights are shared, between three roles of this process.
pub struct Session {
    trio: Trio<Secure>,
    forward: Arc<Forward>,
    setup: Duration,
    setup_bytes: u64,
}

/// One evaluation.
pub struct Evaluation {
    /// From the inputs' shares to the result at the client, at the slower party.
    pub total: Duration,
    /// Of that, what both parties waited for.
    pub network: Duration,
    /// The dealer's part.
    pub offline: Duration,
    /// As the channels counted it; rounds as the client took part in them.
    pub cost: Cost,
    /// The result in the graph's order.
    pub output: Vec<f32>,
}

/// A role's part of an evaluation.
struct Part {
    took: Duration,
    waited: Duration,
    half_rounds: u64,
    output: Option<Vec<f32>>,
}

impl Session {
    /// Connects the roles on these devices under new keys, and shares the weights. The link is loopback.
    pub fn open(
        gpus: [Arc<Gpu>; 3],
        config: &ModuleConfig,
        forward: Arc<Forward>,
        weights: &Arc<dyn WeightStore>,
        approx: Approx,
    ) -> Result<Self> {
        let plan = config.plan(&forward.graph, approx).map_err(ExecError::Plan)?;
        let trio = Trio::on(gpus, Link::LOOPBACK)?;
        let start = Instant::now();
        let mut trio = trio.session(&forward.graph, &plan, weights)?;
        // Whatever is still under way belongs to the set-up.
        trio.together(Scope::default(), |_| Ok(()))?;
        let (setup, sent) = (start.elapsed(), trio.online_bytes());
        let setup_bytes = sent.sent_payload + sent.received_payload + trio.offline_bytes();
        Ok(Self { trio, forward, setup, setup_bytes })
    }

    /// Client and server are this far apart from now on.
    pub fn shape(&mut self, link: Link) {
        self.trio.shape(link);
    }

    /// Evaluates the network once.
    pub fn evaluate(&mut self, dealing: Dealing) -> Result<Evaluation> {
        let (corrections, sent) = (self.trio.offline_bytes(), self.trio.online_bytes());
        let forward = self.forward.clone();
        let part = |s: &mut Secure| -> Result<Part> {
            let (start, waited, cost) = (Instant::now(), s.ctx.waited(), s.ctx.cost());
            let output = forward.secure(s)?;
            s.ctx.rec.read(&[])?;
            let (took, waited) = (start.elapsed(), s.ctx.waited() - waited);
            Ok(Part { took, waited, half_rounds: (s.ctx.cost() - cost).half_rounds, output })
        };
        // The evaluation enters addresses of its own.
        let at = Scope::default();
        let ([client, server], offline) = match dealing {
            Dealing::Before => {
                let offline = self.trio.offline(at, |s| Ok(forward.secure(s).map(drop)?))?;
                (self.trio.online(at, [&(), &()], |s, ()| part(s))?, offline)
            }
            Dealing::Meanwhile => {
                let [client, server, dealer] = self.trio.together(at, part)?;
                ([client, server], dealer.took)
            }
        };
        let sent = self.trio.online_bytes().since(&sent);
        Ok(Evaluation {
            total: client.took.max(server.took),
            network: client.waited.min(server.waited),
            offline,
            cost: Cost {
                to_server: sent.sent_payload,
                to_client: sent.received_payload,
                offline: self.trio.offline_bytes() - corrections,
                half_rounds: client.half_rounds,
            },
            output: client.output.ok_or("the client received no result; this is a bug")?,
        })
    }
}

/// How modules are measured.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Functions.
    pub approx: Approx,
    /// Links between the parties.
    pub links: Vec<Link>,
    /// Timed evaluations for each.
    pub repeat: usize,
    /// When the dealer computes.
    pub dealing: Dealing,
}

/// Measures a module: one evaluation that is compared with the plaintext network and compiles the kernels, then the timed
/// ones.
pub fn measure(
    gpus: [Arc<Gpu>; 3],
    config: &ModuleConfig,
    forward: Forward,
    weights: &Arc<dyn WeightStore>,
    wanted: &Wanted,
) -> Result<Row> {
    let forward = Arc::new(forward);
    let info = Info::of(&forward.graph);
    let plain =
        Plain::new(gpus[0].clone(), forward.graph.clone(), weights.clone(), wanted.approx).run(&forward.borrowed())?;
    let mut session = Session::open(gpus, config, forward.clone(), weights, wanted.approx)?;
    let first = session.evaluate(wanted.dealing)?;
    let tensor = |data: Vec<f32>| Tensor { shape: vec![data.len()], data };
    let difference = Difference::of(&tensor(first.output), &tensor(plain))?;
    if difference.relative.is_nan() {
        return Err("the result holds values that are no numbers".into());
    }
    let (mut times, mut compute, mut offline) = (vec![], vec![], vec![]);
    for link in &wanted.links {
        session.shape(*link);
        let mut totals = vec![];
        for _ in 0..wanted.repeat {
            let one = session.evaluate(wanted.dealing)?;
            if one.cost != first.cost {
                return Err(
                    format!("an evaluation costs {:?}, another {:?}; this is a bug", one.cost, first.cost).into()
                );
            }
            totals.push(one.total.as_secs_f64());
            compute.push((one.total - one.network).as_secs_f64());
            offline.push(one.offline.as_secs_f64());
        }
        times.push(Timed { link: link.to_string(), total_s: Spread::of(totals) });
    }
    Ok(Row {
        module: config.kind().into(),
        shape: forward.graph.node(forward.graph.output).shape.clone(),
        parameters: info.parameters,
        macs: info.macs,
        setup_s: session.setup.as_secs_f64(),
        setup_bytes: session.setup_bytes,
        compute_s: Spread::of(compute),
        offline_s: Spread::of(offline),
        times,
        to_server_bytes: first.cost.to_server,
        to_client_bytes: first.cost.to_client,
        offline_bytes: first.cost.offline,
        rounds: first.cost.half_rounds as f64 / 2.0,
        max_error: difference.largest,
        relative_error: difference.relative,
    })
}
