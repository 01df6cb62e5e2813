//! Client, server and dealer in one process: a thread, a device and real TCP connections on loopback each, shaped to a
//! link. Phases are run one after another, so that what was dealt in advance and what happens online are told apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use masque_engine::correlated::{Key, Scope};
use masque_engine::exec::{Plan, Secure};
use masque_engine::gpu::{AdapterChoice, AdapterReport, Gpu, Recorder};
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::net::{self, Channel, Counters, Link, Listener, TcpOptions};
use masque_engine::protocol::{Ctx, Links, Role};
use masque_engine::trace::Event;

use super::Result;
use super::stock::{Announcer, Stock, stocked};
use crate::engine::EngineError;
use crate::session;

/// Longest silence between roles: a layer of a full-size network takes its time where three of them share few cores.
const STALL: Duration = Duration::from_secs(600);

/// What a role holds between phases.
pub trait State: Send {
    /// Its device and its peers.
    fn ctx(&mut self) -> &mut Ctx;
}

impl State for Ctx {
    fn ctx(&mut self) -> &mut Ctx {
        self
    }
}

impl State for Secure {
    fn ctx(&mut self) -> &mut Ctx {
        &mut self.ctx
    }
}

/// Three roles, ready to compute: single protocols, or the sessions of a network.
pub struct Trio<S = Ctx> {
    gpu: Arc<Gpu>,
    seats: [Seat<S>; 3],
    announcer: Announcer,
    stock: Stock,
}

/// A role's place. Its state goes when a phase fails, which tells its peers.
struct Seat<S> {
    role: Role,
    state: Option<S>,
}

impl<S> Seat<S> {
    fn take(&mut self) -> Result<S> {
        let role = self.role;
        Ok(self.state.take().ok_or_else(|| format!("the {role} has failed before"))?)
    }

    /// Runs a role's part of a phase; a failure closes its connections.
    fn run<T>(&mut self, f: impl FnOnce(&mut S) -> Result<T>) -> Result<T> {
        let mut state = self.take()?;
        let out = f(&mut state)?;
        self.state = Some(state);
        Ok(out)
    }
}

/// A connection on loopback: both ends.
fn connection(near: &str, far: &str, link: Link) -> Result<[Box<dyn Channel>; 2]> {
    let opts = TcpOptions { stall: STALL, ..TcpOptions::default() };
    let listener = Listener::bind("127.0.0.1:0")?;
    let a = net::connect(&listener.local_addr().to_string(), far, &opts)?;
    let b = listener.accept(near, &opts)?;
    Ok([a, b].map(|c| if link == Link::LOOPBACK { c } else { net::shaped(c, link) }))
}

impl Trio {
    /// Opens three devices and connects the roles. Keys come from the operating system.
    pub fn open(choice: &AdapterChoice, link: Link) -> Result<Self> {
        Self::on([Gpu::open(choice)?, Gpu::open(choice)?, Gpu::open(choice)?], link)
    }

    /// Connects the roles on open devices, client's, server's, dealer's. Keys are new.
    pub fn on(gpus: [Arc<Gpu>; 3], link: Link) -> Result<Self> {
        let [client, server] = connection("client", "server", link)?;
        let [dealer, from_dealer] = connection("dealer", "server", link)?;
        let (dealer, from_dealer, announcer, stock) = stocked(dealer, from_dealer);
        let keys = [Key::random()?, Key::random()?];
        let gpu = gpus[0].clone();
        let mut links = [
            Links { peer: Some(client), corrections: None },
            Links { peer: Some(server), corrections: Some(from_dealer) },
            Links { peer: None, corrections: Some(dealer) },
        ]
        .into_iter();
        let mut gpus = gpus.into_iter();
        let mut seat = |role: Role| -> Result<Seat<Ctx>> {
            let known = [Role::Client, Role::Server]
                .map(|owner| (role == owner || role == Role::Dealer).then(|| keys[owner as usize].clone()));
            let (Some(links), Some(gpu)) = (links.next(), gpus.next()) else { unreachable!("three of each") };
            Ok(Seat { role, state: Some(Ctx::new(role, Recorder::new(gpu), links, known)?) })
        };
        let seats = [seat(Role::Client)?, seat(Role::Server)?, seat(Role::Dealer)?];
        Ok(Self { gpu, seats, announcer, stock })
    }

    /// Sessions of a network: the weights' masks are drawn and what they hide is sent. Only the server looks at `weights`.
    pub fn session(self, graph: &Arc<Graph>, plan: &Plan, weights: &Arc<dyn WeightStore>) -> Result<Trio<Secure>> {
        self.with(|ctx| {
            let known = (ctx.role == Role::Server).then(|| weights.clone());
            Ok(Secure::new(ctx, graph.clone(), plan.clone(), known)?)
        })
    }
}

impl<S: State> Trio<S> {
    /// Gives every role another state, made of the one it has; all at once.
    pub fn with<U: State>(self, f: impl Fn(S) -> Result<U> + Sync) -> Result<Trio<U>> {
        let Self { gpu, mut seats, announcer, stock } = self;
        let [client, server, dealer] = std::thread::scope(|t| {
            let (f, seats) = (&f, seats.each_mut());
            let handles = seats.map(|seat| t.spawn(move || f(seat.take()?)));
            three(handles.map(join))
        })?;
        let seat = |role, state| Seat { role, state: Some(state) };
        let seats = [seat(Role::Client, client), seat(Role::Server, server), seat(Role::Dealer, dealer)];
        Ok(Trio { gpu, seats, announcer, stock })
    }

    /// The client's device, for what is computed in plaintext beside.
    pub fn gpu(&self) -> Arc<Gpu> {
        self.gpu.clone()
    }

    /// The adapter that all three compute on.
    pub fn adapter(&self) -> AdapterReport {
        self.gpu.describe()
    }

    /// All roles at once, corrections on the fly. Ends when nothing is queued anywhere.
    pub fn together<T: Send>(&mut self, scope: Scope, f: impl Fn(&mut S) -> Result<T> + Sync) -> Result<[T; 3]> {
        let [c, s, d] = &mut self.seats;
        let run = |state: &mut S| {
            state.ctx().enter(scope);
            let out = f(state)?;
            let ctx = state.ctx();
            ctx.finish()?;
            ctx.rec.read(&[])?;
            Ok(out)
        };
        std::thread::scope(|t| {
            let run = &run;
            let handles = [c, s, d].map(|seat| t.spawn(move || seat.run(run)));
            three(handles.map(join))
        })
    }

    /// The dealer alone; its corrections are laid in stock at the server. The time until the last one is there.
    pub fn offline(&mut self, scope: Scope, f: impl FnOnce(&mut S) -> Result<()> + Send) -> Result<Duration> {
        self.announcer.begin();
        let (announcer, stock, dealer) = (&self.announcer, &self.stock, &mut self.seats[2]);
        let start = Instant::now();
        std::thread::scope(|t| {
            let deals = t.spawn(move || {
                let dealt = dealer.run(|state| {
                    state.ctx().enter(scope);
                    f(state)?;
                    Ok(state.ctx().finish()?)
                });
                announcer.end();
                dealt
            });
            let filled = stock.fill();
            join(deals)?;
            filled.map_err(EngineError::from)
        })?;
        Ok(start.elapsed())
    }

    /// Client and server alone, with what was dealt before. `held` are client's and server's.
    pub fn online<H: Sync, T: Send>(
        &mut self,
        scope: Scope,
        held: [&H; 2],
        f: impl Fn(&mut S, &H) -> Result<T> + Sync,
    ) -> Result<[T; 2]> {
        let [c, s, _] = &mut self.seats;
        std::thread::scope(|t| {
            let f = &f;
            let handles = [(c, held[0]), (s, held[1])].map(|(seat, held)| {
                t.spawn(move || {
                    seat.run(|state| {
                        state.ctx().enter(scope);
                        f(state, held)
                    })
                })
            });
            let [c, s] = handles.map(join);
            let [c, s, _] = three([c.map(Some), s.map(Some), Ok(None)])?;
            Ok([c, s].map(|r| r.expect("a party's result")))
        })
    }

    /// Bytes of corrections that reached the server so far.
    pub fn offline_bytes(&self) -> u64 {
        self.stock.counters().received_payload
    }

    /// What the client sent to the server and received from it so far.
    pub fn online_bytes(&mut self) -> Counters {
        let client = self.seats[0].state.as_mut();
        client.and_then(|s| s.ctx().peer().map(|p| p.counters())).unwrap_or_default()
    }

    /// Client and server are this far apart from now on.
    pub fn shape(&mut self, link: Link) {
        for state in self.seats.iter_mut().filter_map(|s| s.state.as_mut()) {
            if let Some(peer) = state.ctx().peer() {
                peer.shape(link);
            }
        }
    }

    /// So many tiles of a step are in flight at each party from now on.
    pub fn set_lanes(&mut self, lanes: usize) {
        for state in self.seats.iter_mut().filter_map(|s| s.state.as_mut()) {
            state.ctx().set_lanes(lanes);
        }
    }

    /// The devices' work is measured by sections from now on.
    pub fn start_meters(&mut self) {
        for state in self.seats.iter_mut().filter_map(|s| s.state.as_mut()) {
            state.ctx().rec.start_meter();
        }
    }

    /// Every role records what it does, with times from `origin` on.
    pub fn start_trace(&mut self, origin: Instant) {
        for state in self.seats.iter_mut().filter_map(|s| s.state.as_mut()) {
            state.ctx().rec.start_trace(origin);
        }
    }

    /// What the roles recorded.
    pub fn take_trace(&mut self) -> Result<Vec<(Role, Vec<Event>)>> {
        let mut traces = vec![];
        for seat in &mut self.seats {
            if let Some(state) = &mut seat.state {
                traces.push((seat.role, state.ctx().rec.take_trace()?));
            }
        }
        Ok(traces)
    }
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|_| Err("a role's thread panicked; this is a bug".into()))
}

/// All results, or the failure that caused the others.
fn three<T>(results: [Result<T>; 3]) -> Result<[T; 3]> {
    let mut errors: Vec<EngineError> = vec![];
    let mut keep = |r: Result<T>| r.map_err(|e| errors.push(e)).ok();
    let kept = results.map(&mut keep);
    if !errors.is_empty() {
        let cause = errors.iter().position(|e| !session::is_network(e)).unwrap_or(0);
        return Err(errors.swap_remove(cause));
    }
    Ok(kept.map(|r| r.expect("no error")))
}
