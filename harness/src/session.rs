//! How the three roles of a job find each other: connections, the job, keys, handshakes.
//!
//! The client tells server and dealer the job (never the condition); a server that has another model says so at once; the
//! dealer draws a session and sends each party its key; then every pair shakes hands over session, settings and the
//! fingerprint of graphs and plans. Set-up messages: 0 a role says who it is, 1 the job, 2 session and key, 3 whether the
//! server can do the job, and the digest of its weights, by which a client knows the model of an earlier batch again.
//!
//! A session draws all images of its job, portion by portion. Before each the client hears from the server, in messages 4,
//! that it prepares, as often as it needs for it, and then that it is ready.

use std::sync::Arc;
use std::time::Duration;

use masque_engine::correlated::Key;
use masque_engine::exec::{ExecError, Secure};
use masque_engine::gpu::{Gpu, Recorder};
use masque_engine::net::{self, Channel, Hello, Listener, NetError, TcpOptions, handshake, recv_setup, send_setup};
use masque_engine::protocol::{self, Ctx, Links, Role};
use masque_models::sampling::SamplingError;
use masque_models::{Module, Part, secure_text};

use crate::config::Max;
use crate::engine::{EngineError, OpenModel};
use crate::task::{Architecture, Plans, Request};

type Result<T> = std::result::Result<T, EngineError>;

/// The server's answers to a job, and what it says before a portion.
const ACCEPTED: u8 = 1;
const REFUSED: u8 = 0;
const PREPARES: u8 = 2;
const OTHER_MAXIMUM: u8 = 3;

impl Request {
    fn send(&self, ch: &dyn Channel) -> Result<()> {
        Ok(send_setup(ch, 1, serde_json::to_vec(self)?)?)
    }

    fn receive(ch: &dyn Channel) -> Result<Self> {
        let bytes = recv_setup(ch, 1)?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{} sent no readable job: {e}", ch.peer()).into())
    }
}

/// A session ready to compute.
pub struct Ready {
    /// Executor state.
    pub secure: Secure,
    /// What was agreed.
    pub request: Request,
    /// Networks and sampler.
    pub architecture: Architecture,
    /// The networks that run on shares.
    pub modules: Vec<Module>,
    /// What runs on shares in a last portion with fewer images than the others.
    pub rest: Option<Vec<Part>>,
    /// Bytes this role sent for set-up.
    pub setup_bytes: u64,
}

/// The server could not prepare a portion. It says why where it runs; the client does not learn it.
#[derive(Debug, thiserror::Error)]
#[error("the server cannot draw this; it says why where it runs")]
struct Unprepared;

impl Ready {
    fn peer(&self) -> &dyn Channel {
        self.secure.ctx.peer().expect("a party has a peer")
    }

    /// Prepares a portion at the server, which may take longer than a client would wait for a silent server: `work` calls what
    /// it is given now and then. A client hears that it failed, and not why, which may be about the weights.
    pub fn prepare<T>(&mut self, work: impl FnOnce(&mut dyn FnMut()) -> Result<T>) -> Result<T> {
        let peer = self.peer();
        let mut lost = None;
        let done = work(&mut || lost = lost.take().or(send_setup(peer, 4, vec![PREPARES]).err()));
        send_setup(peer, 4, vec![if done.is_ok() { ACCEPTED } else { REFUSED }])?;
        match lost {
            Some(e) => Err(e.into()),
            None => done,
        }
    }

    /// Waits, at the client, until the server has prepared a portion.
    pub fn prepared(&mut self) -> Result<()> {
        loop {
            match recv_setup(self.peer(), 4)?.as_slice() {
                [PREPARES] => {}
                [ACCEPTED] => return Ok(()),
                [REFUSED] => return Err(Unprepared.into()),
                _ => return Err("the server sent no readable answer; do all roles run the same version?".into()),
            }
        }
    }
}

fn introduce(ch: &dyn Channel, role: Role) -> Result<()> {
    Ok(send_setup(ch, 0, vec![role as u8])?)
}

fn greet(
    ch: &dyn Channel,
    role: Role,
    session: [u8; 16],
    fingerprint: [u8; 32],
    request: &Request,
    expect: Role,
) -> Result<[u8; 16]> {
    let hello = Hello { role, session, fingerprint, settings: request.settings() };
    Ok(handshake(ch, &hello, expect)?.session)
}

fn receive_key(ch: &dyn Channel) -> Result<([u8; 16], Key)> {
    let bytes = recv_setup(ch, 2)?;
    let bytes: [u8; 48] = bytes.try_into().map_err(|_| "the dealer sent no key; do all roles run the same version?")?;
    let (mut session, mut key) = ([0; 16], [0; 32]);
    session.copy_from_slice(&bytes[..16]);
    key.copy_from_slice(&bytes[16..]);
    Ok((session, Key(key)))
}

fn sent(channels: &[&dyn Channel]) -> u64 {
    channels.iter().map(|c| c.counters().sent_payload).sum()
}

/// Joins as the client. `accepted` hears the digest of the server's weights and may call the job off.
pub fn client(
    gpu: Arc<Gpu>,
    server: &str,
    dealer: &str,
    request: Request,
    opts: &TcpOptions,
    accepted: &mut dyn FnMut([u8; 32]) -> Result<()>,
) -> Result<Ready> {
    let (architecture, plans) = request.plan()?;
    let s = net::connect(server, "server", opts)?;
    request.send(&*s)?;
    match recv_setup(&*s, 3)?.as_slice() {
        [ACCEPTED, digest @ ..] if digest.len() == 32 => {
            let mut weights = [0; 32];
            weights.copy_from_slice(digest);
            accepted(weights)?;
        }
        [OTHER_MAXIMUM] => return Err(other_maximum("the server", request.maximum)),
        [REFUSED] => {
            let files = request.files();
            return Err(
                format!("the server has another model than this client asks for; give both the same {files}").into()
            );
        }
        _ => return Err("the server sent no readable answer; do all roles run the same version?".into()),
    }
    let d = net::connect(dealer, "dealer", opts)?;
    introduce(&*d, Role::Client)?;
    request.send(&*d)?;
    let (session, key) = receive_key(&*d)?;
    let print = plans.fingerprint();
    greet(&*d, Role::Client, session, print, &request, Role::Dealer)?;
    greet(&*s, Role::Client, session, print, &request, Role::Server)?;
    d.flush()?;
    let setup = sent(&[&*d, &*s]);
    let links = Links { peer: Some(s), corrections: None };
    let ctx = Ctx::new(Role::Client, Recorder::new(gpu), links, [Some(key), None])?;
    ready(ctx, plans, None, request, architecture, setup)
}

/// Where the roles do not agree on what may be shown.
fn other_maximum(who: &str, asked: Max) -> EngineError {
    format!(
        "{who} takes no part in sessions with --max {asked}, which the client asks for; give all roles the same --max"
    )
    .into()
}

/// Joins as the server on a connection that a client has opened. The server's own architecture must be the client's, and it
/// takes part in no session whose row maxima are found in another way than its own setting.
pub fn server(
    gpu: Arc<Gpu>,
    client: Box<dyn Channel>,
    dealer: &str,
    (own, maximum): (&OpenModel, Max),
    opts: &TcpOptions,
) -> Result<Ready> {
    let request = Request::receive(&*client)?;
    if request.maximum != maximum {
        send_setup(&*client, 3, vec![OTHER_MAXIMUM])?;
        return Err(other_maximum("this server", request.maximum));
    }
    let (architecture, plans) = request.plan()?;
    if !own.architecture.agrees(&architecture, &request) {
        send_setup(&*client, 3, vec![REFUSED])?;
        let files = request.files();
        return Err(
            format!("the client asks for another model than this server has; give both the same {files}").into()
        );
    }
    send_setup(&*client, 3, [&[ACCEPTED][..], &own.digest()?].concat())?;
    let d = net::connect(dealer, "dealer", opts)?;
    introduce(&*d, Role::Server)?;
    let (session, key) = receive_key(&*d)?;
    let print = plans.fingerprint();
    greet(&*d, Role::Server, session, print, &request, Role::Dealer)?;
    greet(&*client, Role::Server, session, print, &request, Role::Client)?;
    let setup = sent(&[&*d, &*client]);
    let links = Links { peer: Some(client), corrections: Some(d) };
    let ctx = Ctx::new(Role::Server, Recorder::new(gpu), links, [None, Some(key)])?;
    ready(ctx, plans, Some(own), request, architecture, setup)
}

/// Serves one session as the dealer: waits for one client and one server, in any order. Its own way to row maxima is part of
/// its greeting, so that parties with another one are refused.
pub fn dealer(
    gpu: Arc<Gpu>,
    listener: &Listener,
    (test_keys, maximum): (Option<u64>, Max),
    opts: &TcpOptions,
) -> Result<Ready> {
    let (mut client, mut server) = (None, None);
    while client.is_none() || server.is_none() {
        // Nobody need come; but where one party is, the other is due.
        let waits = client.is_some() || server.is_some();
        let opts = TcpOptions { accept_timeout: waits.then_some(opts.stall), ..opts.clone() };
        let ch = listener.accept("client or server", &opts)?;
        let role = recv_setup(&*ch, 0)?;
        let slot = match role.as_slice() {
            [r] if *r == Role::Client as u8 => &mut client,
            [r] if *r == Role::Server as u8 => &mut server,
            _ => return Err("a connection that is neither client nor server reached the dealer".into()),
        };
        if slot.replace(ch).is_some() {
            return Err(
                "two connections claim the same role; a dealer serves one client and one server at a time".into()
            );
        }
    }
    let (Some(mut c), Some(mut s)) = (client, server) else { unreachable!("the loop ends with both") };
    let mut request = Request::receive(&*c)?;
    request.maximum = maximum;
    let (architecture, plans) = request.plan()?;
    let mut session = [0u8; 16];
    session.copy_from_slice(&Key::random()?.0[..16]);
    let mut keys = [None, None];
    for (party, ch) in [(0u8, &mut c), (1, &mut s)] {
        let key = match test_keys {
            Some(seed) => Key::for_tests(seed, party),
            None => Key::random()?,
        };
        send_setup(&**ch, 2, [&session[..], &key.0[..]].concat())?;
        keys[usize::from(party)] = Some(key);
    }
    let print = plans.fingerprint();
    // Both hear what differs before either is left alone.
    let greeted = greet(&*c, Role::Dealer, session, print, &request, Role::Client);
    greet(&*s, Role::Dealer, session, print, &request, Role::Server)?;
    greeted?;
    c.flush()?;
    let setup = sent(&[&*c, &*s]);
    let links = Links { peer: None, corrections: Some(s) };
    let ctx = Ctx::new(Role::Dealer, Recorder::new(gpu), links, keys)?;
    ready(ctx, plans, None, request, architecture, setup)
}

fn ready(
    ctx: Ctx,
    plans: Plans,
    own: Option<&OpenModel>,
    request: Request,
    architecture: Architecture,
    setup: u64,
) -> Result<Ready> {
    let Plans { first, rest } = plans;
    let modules = first.iter().map(|part| part.module).collect();
    let secure = secure_text::start(ctx, first, |module| own.and_then(|model| model.weights(module)))?;
    let mine = match secure.ctx.role {
        Role::Server => secure.ctx.cost().to_client,
        _ => 0,
    };
    Ok(Ready { secure, request, architecture, modules, rest, setup_bytes: setup + mine })
}

/// Network settings of a job. The dealer runs ahead of the parties and is held back by full queues, so it is more patient
/// when it sends.
pub fn options(role: Role, stall: Duration) -> TcpOptions {
    let defaults = TcpOptions::default();
    TcpOptions {
        stall,
        send_stall: (role == Role::Dealer).then_some(stall * 10),
        connect_timeout: defaults.connect_timeout.min(stall),
        ..defaults
    }
}

/// Whether an error is the network's or another role's fault rather than this role's own.
pub fn is_network(e: &EngineError) -> bool {
    let protocol = |e: &protocol::Error| matches!(e, protocol::Error::Net(_));
    let exec = |e: &ExecError| matches!(e, ExecError::Protocol(p) if protocol(p));
    // These wrap each other transparently, so that `source` shows none of them.
    e.is::<NetError>()
        || e.is::<Unprepared>()
        || e.downcast_ref().is_some_and(protocol)
        || e.downcast_ref().is_some_and(exec)
        || match e.downcast_ref() {
            Some(SamplingError::Exec(e)) => exec(e),
            Some(SamplingError::Protocol(e)) => protocol(e),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_from_its_echo() {
        let net = || NetError::Closed { peer: "server".into(), at: net::Address::setup(1) };
        let protocol = || protocol::Error::Net(net());
        let echoes: [EngineError; 6] = [
            Box::new(Unprepared),
            Box::new(net()),
            Box::new(protocol()),
            Box::new(ExecError::Protocol(protocol())),
            Box::new(SamplingError::Exec(ExecError::Protocol(protocol()))),
            Box::new(SamplingError::Protocol(protocol())),
        ];
        assert!(echoes.iter().all(is_network));
        let cause = || ExecError::Range { name: "w".into(), value: 1e20, bits: 12 };
        assert!(!is_network(&cause().into()) && !is_network(&SamplingError::Exec(cause()).into()));
    }
}
