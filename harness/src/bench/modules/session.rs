//! A network between three roles of this process, and one evaluation of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use masque_engine::correlated::Scope;
use masque_engine::exec::{NodeStats, Plan, Secure};
use masque_engine::gpu::Gpu;
use masque_engine::graph::WeightStore;
use masque_engine::net::Link;
use masque_engine::protocol::{Cost, Role, Watch};
use masque_engine::trace::Event;
use masque_models::Forward;

use crate::bench::Result;
use crate::bench::trio::Trio;

/// When the dealer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealing {
    /// Before the parties, so that both phases have a time of their own. The server holds all corrections of an evaluation.
    Before,
    /// While the parties compute, who then share the machine with it. What the parties have not asked for yet waits in
    /// queues of bounded length, and the dealer with it.
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
    /// What each role did: client, server, and the dealer if it dealt meanwhile.
    pub parts: Vec<Part>,
}

/// A role's part of an evaluation.
pub struct Part {
    /// From its start to its end.
    pub took: Duration,
    /// Of that, waiting for messages.
    pub waited: Duration,
    /// Work of the device by section of its recorder; empty unless it was measured.
    pub device: BTreeMap<u32, Duration>,
    /// By node, of all evaluations so far; the last entry is what lies outside the graph.
    pub stats: Vec<NodeStats>,
    /// Most bytes of device buffers at a time, since the role began.
    pub peak_bytes: u64,
    half_rounds: u64,
    output: Option<Vec<f32>>,
}

impl Session {
    /// Connects the roles on these devices under new keys, and shares the weights. The link is loopback. A role that is
    /// watched from the start may be stopped in between.
    pub fn open(
        gpus: [Arc<Gpu>; 3],
        forward: Arc<Forward>,
        plan: &Plan,
        weights: &Arc<dyn WeightStore>,
        watch: &(dyn Fn(Role) -> Option<Watch> + Sync),
    ) -> Result<Self> {
        let trio = Trio::on(gpus, Link::LOOPBACK)?;
        let trio = trio.with(|mut ctx| {
            if let Some(watch) = watch(ctx.role) {
                ctx.watch(watch);
            }
            Ok(ctx)
        })?;
        let start = Instant::now();
        let mut trio = trio.session(&forward.graph, plan, weights)?;
        // Whatever is still under way belongs to the set-up.
        trio.together(Scope::default(), |_| Ok(()))?;
        let (setup, sent) = (start.elapsed(), trio.online_bytes());
        let setup_bytes = sent.sent_payload + sent.received_payload + trio.offline_bytes();
        Ok(Self { trio, forward, setup, setup_bytes })
    }

    /// How long it took to share the weights.
    pub fn setup(&self) -> Duration {
        self.setup
    }

    /// Bytes of that, all links.
    pub fn setup_bytes(&self) -> u64 {
        self.setup_bytes
    }

    /// Client and server are this far apart from now on.
    pub fn shape(&mut self, link: Link) {
        self.trio.shape(link);
    }

    /// So many tiles of a step are in flight at each party from now on.
    pub fn set_lanes(&mut self, lanes: usize) {
        self.trio.set_lanes(lanes);
    }

    /// From now on the devices' work is measured by sections.
    pub fn start_meters(&mut self) {
        self.trio.start_meters();
    }

    /// From now on every role records what it does, with times from `origin` on.
    pub fn start_trace(&mut self, origin: Instant) {
        self.trio.start_trace(origin);
    }

    /// What the roles recorded.
    pub fn take_trace(&mut self) -> Result<Vec<(Role, Vec<Event>)>> {
        self.trio.take_trace()
    }

    /// Evaluates the network once.
    pub fn evaluate(&mut self, dealing: Dealing) -> Result<Evaluation> {
        let (corrections, sent) = (self.trio.offline_bytes(), self.trio.online_bytes());
        let forward = self.forward.clone();
        let part = |s: &mut Secure| -> Result<Part> {
            let (start, waited, cost) = (Instant::now(), s.ctx.waited(), s.ctx.cost());
            let output = forward.secure(s)?;
            s.ctx.rec.read(&[])?;
            Ok(Part {
                took: start.elapsed(),
                waited: s.ctx.waited() - waited,
                device: s.ctx.rec.spent()?,
                stats: s.stats.clone(),
                peak_bytes: s.ctx.rec.peak_bytes(),
                half_rounds: (s.ctx.cost() - cost).half_rounds,
                output,
            })
        };
        // The evaluation enters addresses of its own.
        let at = Scope::default();
        let (mut parts, offline): (Vec<Part>, _) = match dealing {
            Dealing::Before => {
                let offline = self.trio.offline(at, |s| Ok(forward.secure(s).map(drop)?))?;
                (self.trio.online(at, [&(), &()], |s, ()| part(s))?.into(), offline)
            }
            Dealing::Meanwhile => {
                let parts = self.trio.together(at, part)?;
                let offline = parts[2].took;
                (parts.into(), offline)
            }
        };
        let sent = self.trio.online_bytes().since(&sent);
        let output = parts[0].output.take().ok_or("the client received no result; this is a bug")?;
        let (client, server) = (&parts[0], &parts[1]);
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
            output,
            parts,
        })
    }
}
