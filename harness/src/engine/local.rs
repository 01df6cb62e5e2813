//! Jobs that need no other process: plaintext, and the three roles as threads.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Instant;

use masque_engine::net::{self, Listener};

use super::{
    Audience, Drawn, EngineError, Opened, Outcome, Progress, adapter_report, peak_rss, role, task, versions, wanted,
};
use crate::config::RunConfig;
use crate::images::{self, Fidelity};
use crate::report::{Role, RoleReport};
use crate::session;

/// In f32 on one device.
pub(super) fn plain(config: &RunConfig, opened: &Opened, audience: &mut dyn Audience) -> Result<Outcome, EngineError> {
    let start = Instant::now();
    wanted(config, &opened.model)?.warn(audience);
    draw(config, opened, audience)?;
    let wall_s = start.elapsed().as_secs_f64();
    let report = RoleReport { compute_s: wall_s, wait_s: 0.0, peak_gpu_bytes: 0, peak_rss_bytes: peak_rss() };
    Ok(Outcome {
        adapter: adapter_report(&opened.gpus[0].describe()),
        wall_s,
        roles: BTreeMap::from([(Role::Plain, report)]),
        versions: versions(),
        ..Outcome::default()
    })
}

/// Draws a job in plaintext, with its functions.
fn draw(config: &RunConfig, opened: &Opened, audience: &mut dyn Audience) -> Result<(), EngineError> {
    let Opened { model, gpus, chains } = opened;
    let (task, wanted) = (task(config), wanted(config, model)?);
    let (mut drawn, total) = (0, (task.steps() * task.count()) as u64);
    for task in task.portions(config.at_once) {
        let (count, before) = (task.count(), task.steps() * drawn);
        let known = model.chain(&gpus[0], chains, &task, &mut || {})?;
        let mut step = |done: usize| audience.progress(Progress::Steps { done: (before + done * count) as u64, total });
        let wanted = wanted.part(drawn..drawn + count);
        let values = model.draw(&gpus[0], &task, &wanted, known.as_deref(), &mut step)?;
        audience.drawn(Drawn { values, extents: model.architecture.extents(count) })?;
        drawn += count;
    }
    Ok(())
}

/// Keeps the images of a job on shares, then measures how far those in plaintext are from them.
struct Comparison<'a> {
    /// Who hears of the job on shares.
    audience: &'a mut dyn Audience,
    /// Images on shares, portion by portion; none are kept where nothing is compared.
    kept: Option<VecDeque<Drawn>>,
}

impl Audience for Comparison<'_> {
    fn progress(&mut self, event: Progress) {
        self.audience.progress(event);
    }

    fn model(&mut self, weights: [u8; 32]) -> Result<(), EngineError> {
        self.audience.model(weights)
    }

    fn drawn(&mut self, images: Drawn) -> Result<(), EngineError> {
        if let Some(kept) = &mut self.kept {
            kept.push_back(images.clone());
        }
        self.audience.drawn(images)
    }
}

/// Hears of the job in plaintext.
struct Reference {
    secure: VecDeque<Drawn>,
    fidelity: Option<Fidelity>,
    images: u64,
}

impl Audience for Reference {
    fn drawn(&mut self, images: Drawn) -> Result<(), EngineError> {
        let secure = self.secure.pop_front().ok_or("the plaintext run has more images")?;
        let (next, count) = (images::compare(&secure.values, &images.values)?, images.extents[0] as u64);
        self.fidelity = Some(match self.fidelity {
            Some(before) => before.joined(&next, [self.images, count]),
            None => next,
        });
        self.images += count;
        Ok(())
    }
}

/// Client, server and dealer as threads of this process, over TCP on loopback.
pub(super) fn in_process(
    config: &RunConfig,
    opened: &Opened,
    audience: &mut dyn Audience,
) -> Result<Outcome, EngineError> {
    let Opened { model, gpus, chains } = opened;
    let (dealer_at, server_at) = (Listener::bind("127.0.0.1:0")?, Listener::bind("127.0.0.1:0")?);
    let at = [dealer_at.local_addr(), server_at.local_addr()];
    let [dealer_addr, server_addr] = at.map(|a| a.to_string());
    let (keys, maximum) = (config.test_keys.map(|k| k.0), config.maximum.unwrap_or_default());
    let start = Instant::now();
    let mut comparison = Comparison { audience, kept: config.fidelity.then(VecDeque::new) };
    let [client, server, dealer] = together(
        at,
        || role::client_job(gpus[0].clone(), config, model, &server_addr, &dealer_addr, &mut comparison),
        || {
            let opts = session::options(net::Role::Server, config.stall);
            let client = server_at.accept("client", &opts)?;
            role::serve_one(gpus[1].clone(), client, &dealer_addr, (model, maximum), chains, &opts)
        },
        || role::deal_one(gpus[2].clone(), &dealer_at, keys, maximum, config.stall),
    )?;
    let wall_s = start.elapsed().as_secs_f64();
    let others = vec![(Role::Server, server), (Role::Dealer, dealer)];
    let mut out = role::outcome(&gpus[0], wall_s, client, others)?;
    if let Some(secure) = comparison.kept {
        comparison.audience.progress(Progress::Phase("comparing with the plaintext run"));
        let mut reference = Reference { secure, fidelity: None, images: 0 };
        draw(config, opened, &mut reference)?;
        out.fidelity = reference.fidelity;
    }
    Ok(out)
}

/// Runs three roles at once, the first on this thread. When one fails, `listening` is knocked at, so that no other role
/// waits there for a connection that will not come; the error that is nobody's network trouble is the cause of the others.
fn together<T: Send>(
    listening: [SocketAddr; 2],
    client: impl FnOnce() -> Result<T, EngineError>,
    server: impl FnOnce() -> Result<T, EngineError> + Send,
    dealer: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<[T; 3], EngineError> {
    let ends = thread::scope(|scope| {
        let server = scope.spawn(|| guarded("server", listening, server));
        let dealer = scope.spawn(|| guarded("dealer", listening, dealer));
        let client = guarded("client", listening, client);
        let join = |role: thread::ScopedJoinHandle<'_, _>| role.join().expect("a guarded role does not panic");
        [client, join(server), join(dealer)]
    });
    let mut errors = Vec::new();
    let done = ends.map(|end| end.map_err(|e| errors.push(e)).ok());
    match done {
        [Some(client), Some(server), Some(dealer)] => Ok([client, server, dealer]),
        _ => {
            let cause = errors.iter().position(|e| !session::is_network(e)).unwrap_or(0);
            Err(errors.swap_remove(cause))
        }
    }
}

/// One role of [`together`]; a panic is an error like any other.
fn guarded<T>(
    name: &str,
    listening: [SocketAddr; 2],
    role: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let end = panic::catch_unwind(AssertUnwindSafe(role)).unwrap_or_else(|what| {
        let text = what.downcast_ref::<&str>().copied();
        let text = text.or_else(|| what.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
        Err(format!("the {name} panicked, which is a bug: {text}").into())
    });
    if end.is_err() {
        for at in listening {
            // Nobody listens any more: nobody waits.
            let _ = TcpStream::connect(at);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use masque_engine::net::TcpOptions;

    use super::*;

    /// A server and a dealer that each wait for someone, and a role that fails without having called them.
    fn cause(broken: impl Fn() -> Result<(), EngineError> + Sync, at: &str) -> String {
        let listeners = [0; 2].map(|_| Listener::bind("127.0.0.1:0").expect("a free port"));
        let waits = |i: usize| -> Result<(), EngineError> {
            let peer = listeners[i].accept("peer", &TcpOptions::default())?;
            Ok(net::recv_setup(&*peer, 0).map(|_| ())?)
        };
        let one = |i: usize, name: &str| if name == at { broken() } else { waits(i) };
        let listening = [listeners[0].local_addr(), listeners[1].local_addr()];
        let client = || match at {
            "client" => broken(),
            _ => Ok(()),
        };
        let ends = together(listening, client, || one(0, "server"), || one(1, "dealer"));
        ends.expect_err("one role failed").to_string()
    }

    #[test]
    fn a_role_that_fails_alone_ends_the_job_with_its_reason() {
        for role in ["client", "server", "dealer"] {
            assert_eq!(cause(|| Err("no such thing".into()), role), "no such thing");
            let text = cause(|| panic!("{} bottles", 3), role);
            assert_eq!(text, format!("the {role} panicked, which is a bug: 3 bottles"));
        }
    }
}
