//! Jobs that need no other process: plaintext, and the three roles as threads.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Instant;

use masque_engine::net::{self, Listener};

use super::{EngineError, Opened, Outcome, Progress, Wanted, adapter_report, peak_rss, role, task, versions, wanted};
use crate::config::RunConfig;
use crate::report::{Role, RoleReport};
use crate::session;

/// In f32 on one device.
pub(super) fn plain(
    config: &RunConfig,
    opened: &Opened,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, EngineError> {
    let (model, gpu) = (&opened.model, &opened.gpus[0]);
    let start = Instant::now();
    let wanted = wanted(config, model)?;
    wanted.warn(progress);
    let images = draw(config, opened, &wanted, progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let report = RoleReport { compute_s: wall_s, wait_s: 0.0, peak_gpu_bytes: 0, peak_rss_bytes: peak_rss() };
    Ok(Outcome {
        images,
        extents: model.architecture.extents(config.images()),
        adapter: adapter_report(&gpu.describe()),
        wall_s,
        roles: BTreeMap::from([(Role::Plain, report)]),
        versions: versions(),
        ..Outcome::default()
    })
}

/// The images of a job in plaintext, with its functions.
fn draw(
    config: &RunConfig,
    opened: &Opened,
    wanted: &Wanted,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EngineError> {
    let (task, gpu) = (task(config), &opened.gpus[0]);
    let known = opened.model.chain(gpu, &opened.chains, &task)?;
    let count = task.count();
    let total = (task.steps() * count) as u64;
    let mut step = |done: usize| progress(Progress::Steps { done: (done * count) as u64, total });
    opened.model.draw(gpu, &task, wanted, known.as_deref(), &mut step)
}

/// Client, server and dealer as threads of this process, over TCP on loopback.
pub(super) fn in_process(
    config: &RunConfig,
    opened: &Opened,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, EngineError> {
    let Opened { model, gpus, chains } = opened;
    let (dealer_at, server_at) = (Listener::bind("127.0.0.1:0")?, Listener::bind("127.0.0.1:0")?);
    let at = [dealer_at.local_addr(), server_at.local_addr()];
    let [dealer_addr, server_addr] = at.map(|a| a.to_string());
    let keys = config.test_keys.map(|k| k.0);
    let start = Instant::now();
    let [client, server, dealer] = together(
        at,
        || role::client_job(gpus[0].clone(), config, model, &server_addr, &dealer_addr, progress),
        || {
            let opts = session::options(net::Role::Server, config.stall);
            let client = server_at.accept("client", &opts)?;
            role::serve_one(gpus[1].clone(), client, &dealer_addr, model, chains, &opts)
        },
        || role::deal_one(gpus[2].clone(), &dealer_at, keys, config.stall),
    )?;
    let wall_s = start.elapsed().as_secs_f64();
    let others = vec![(Role::Server, server), (Role::Dealer, dealer)];
    let mut out = role::outcome(&gpus[0], wall_s, client, others)?;
    if config.fidelity {
        progress(Progress::Phase("comparing with the plaintext run"));
        out.reference = Some(draw(config, opened, &wanted(config, model)?, &mut |_| {})?);
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
            let mut peer = listeners[i].accept("peer", &TcpOptions::default())?;
            Ok(net::recv_setup(&mut *peer, 0).map(|_| ())?)
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
