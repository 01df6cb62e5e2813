//! Client, server and dealer in one process: a thread, a device and real TCP connections on loopback each, shaped to a
//! link. Phases are run one after another, so that what was dealt in advance and what happens online are told apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use masque_engine::correlated::{Key, Scope};
use masque_engine::gpu::{AdapterChoice, AdapterReport, Gpu, Recorder};
use masque_engine::net::{self, Channel, Counters, Link, Listener, TcpOptions};
use masque_engine::protocol::{Ctx, Links, Role};
use masque_engine::trace::Event;

use super::Result;
use super::stock::{Announcer, Stock, stocked};
use crate::engine::EngineError;
use crate::session;

/// Longest silence between roles.
const STALL: Duration = Duration::from_secs(120);

/// Three roles, ready to compute.
pub struct Trio {
    gpu: Arc<Gpu>,
    seats: [Seat; 3],
    announcer: Announcer,
    stock: Stock,
}

/// A role's place. Its state goes when a phase fails, which tells its peers.
struct Seat {
    role: Role,
    ctx: Option<Ctx>,
}

impl Seat {
    /// Runs a role's part of a phase; a failure closes its connections.
    fn run<T>(&mut self, f: impl FnOnce(&mut Ctx) -> Result<T>) -> Result<T> {
        let role = self.role;
        let mut ctx = self.ctx.take().ok_or_else(|| format!("the {role} has failed before"))?;
        let out = f(&mut ctx)?;
        self.ctx = Some(ctx);
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
        let gpus = [Gpu::open(choice)?, Gpu::open(choice)?, Gpu::open(choice)?];
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
        let mut seat = |role: Role| -> Result<Seat> {
            let known = [Role::Client, Role::Server]
                .map(|owner| (role == owner || role == Role::Dealer).then(|| keys[owner as usize].clone()));
            let (Some(links), Some(gpu)) = (links.next(), gpus.next()) else { unreachable!("three of each") };
            Ok(Seat { role, ctx: Some(Ctx::new(role, Recorder::new(gpu), links, known)?) })
        };
        let seats = [seat(Role::Client)?, seat(Role::Server)?, seat(Role::Dealer)?];
        Ok(Self { gpu, seats, announcer, stock })
    }

    /// The adapter that all three compute on.
    pub fn adapter(&self) -> AdapterReport {
        self.gpu.describe()
    }

    /// All roles at once, corrections on the fly. Ends when nothing is queued anywhere.
    pub fn together<T: Send>(&mut self, scope: Scope, f: impl Fn(&mut Ctx) -> Result<T> + Sync) -> Result<[T; 3]> {
        let [c, s, d] = &mut self.seats;
        let run = |ctx: &mut Ctx| {
            ctx.enter(scope);
            let out = f(ctx)?;
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
    pub fn offline(&mut self, scope: Scope, f: impl FnOnce(&mut Ctx) -> Result<()> + Send) -> Result<Duration> {
        self.announcer.begin();
        let (announcer, stock, dealer) = (&self.announcer, &self.stock, &mut self.seats[2]);
        let start = Instant::now();
        std::thread::scope(|t| {
            let deals = t.spawn(move || {
                let dealt = dealer.run(|ctx| {
                    ctx.enter(scope);
                    f(ctx)?;
                    Ok(ctx.finish()?)
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

    /// Client and server alone, with what was dealt before. `states` are client's and server's.
    pub fn online<S: Sync, T: Send>(
        &mut self,
        scope: Scope,
        states: [&S; 2],
        f: impl Fn(&mut Ctx, &S) -> Result<T> + Sync,
    ) -> Result<[T; 2]> {
        let [c, s, _] = &mut self.seats;
        std::thread::scope(|t| {
            let f = &f;
            let handles = [(c, states[0]), (s, states[1])].map(|(seat, state)| {
                t.spawn(move || {
                    seat.run(|ctx| {
                        ctx.enter(scope);
                        f(ctx, state)
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
        let ctx = self.seats[0].ctx.as_mut();
        ctx.and_then(|c| c.peer().map(|p| p.counters())).unwrap_or_default()
    }

    /// Every role records what it does, with times from `origin` on.
    pub fn start_trace(&mut self, origin: Instant) {
        for ctx in self.seats.iter_mut().filter_map(|s| s.ctx.as_mut()) {
            ctx.rec.start_trace(origin);
        }
    }

    /// What the roles recorded.
    pub fn take_trace(&mut self) -> Result<Vec<(Role, Vec<Event>)>> {
        let mut traces = vec![];
        for seat in &mut self.seats {
            if let Some(ctx) = &mut seat.ctx {
                traces.push((seat.role, ctx.rec.take_trace()?));
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
