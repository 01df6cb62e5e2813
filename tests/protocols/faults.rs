//! Messages that come late change nothing; messages that are damaged, lost or not expected end the run with an error that
//! names the step, at both parties, and with no panic.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use masque_engine::correlated::Scope;
use masque_engine::net::{Address, Channel, Counters, Delay, Intercept, Link, NetError};
use masque_engine::protocol::{Ctx, Error, Role};
use masque_engine::testing::World;

use super::programs::{normalisation, relu};

/// Where the program runs; errors must say so.
const SCOPE: Scope = Scope { eval: 5, node: 17, tile: 3 };
/// Stall time of these worlds.
const STALL: Duration = Duration::from_secs(4);

/// A program of many rounds, one-way messages and corrections.
fn program(w: &World, ctx: &mut Ctx) -> Result<Vec<u64>, Error> {
    ctx.enter(SCOPE);
    let mut words = relu(w, ctx, 77)?;
    words.extend(normalisation(w, ctx, 77)?);
    Ok(words)
}

type Ends = (Role, &'static str);

/// An end of a channel that, when it has sent `left` messages, sends one under a wrong address, or nothing ever after.
struct Misled {
    inner: Box<dyn Channel>,
    left: Mutex<u64>,
    mute: bool,
}

impl Channel for Misled {
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        let wrong = {
            let mut left = self.left.lock().unwrap();
            let wrong = *left == 0;
            if wrong && self.mute {
                return Ok(());
            }
            *left = left.wrapping_sub(1);
            wrong
        };
        self.inner.send(if wrong { Address { node: at.node + 1, ..at } } else { at }, payload)
    }
    fn recv(&self, at: Address) -> Result<Vec<u8>, NetError> {
        self.inner.recv(at)
    }
    fn flush(&self) -> Result<(), NetError> {
        self.inner.flush()
    }
    fn counters(&self) -> Counters {
        self.inner.counters()
    }
    fn peer(&self) -> &str {
        self.inner.peer()
    }
    fn shape(&self, link: Link) {
        self.inner.shape(link);
    }
}

/// Runs with one end of one channel wrapped.
fn run(
    world: &World,
    (role, peer): Ends,
    wrap: impl Fn(Box<dyn Channel>) -> Box<dyn Channel> + Send + Sync + 'static,
) -> [Result<Vec<u64>, Error>; 3] {
    let world = world
        .beside(90)
        .stalling(STALL)
        .wrapped(move |r, channel| if (r, channel.peer()) == (role, peer) { wrap(channel) } else { channel });
    world.try_run(program).map(|r| r.map(|(words, _)| words))
}

#[test]
fn late_messages_change_nothing() {
    let world = World::new(90);
    let on_time = world.run(program);
    let delay = |seed| Delay::Random { seed, below: Duration::from_millis(20) };
    let late = world.beside(90).wrapped(move |role, channel| {
        let seed = role as u64 + channel.peer().len() as u64;
        Box::new(Intercept::new(channel).delay(delay(seed)))
    });
    let late = late.run(program);
    assert!(on_time.client == late.client && on_time.server == late.server && on_time.dealer == late.dealer);
    assert_eq!(on_time.cost, late.cost);
}

#[test]
fn faults_name_the_step_at_both_parties() {
    const CLIENT: Ends = (Role::Client, "server");
    const SERVER: Ends = (Role::Server, "client");
    const CORRECTIONS: Ends = (Role::Server, "dealer");
    type Fault = fn(Box<dyn Channel>) -> Box<dyn Channel>;
    let faults: [(&str, Ends, Fault); 16] = [
        ("cut at the client", CLIENT, |c| Box::new(Intercept::new(c).truncate(3, 100))),
        ("cut at the server", SERVER, |c| Box::new(Intercept::new(c).truncate(3, 100))),
        ("emptied at the server", SERVER, |c| Box::new(Intercept::new(c).truncate(0, 0))),
        ("a cut correction", CORRECTIONS, |c| Box::new(Intercept::new(c).truncate(2, 8))),
        ("lost to the client", CLIENT, |c| Box::new(Intercept::new(c).lose(4))),
        ("lost to the server", SERVER, |c| Box::new(Intercept::new(c).lose(4))),
        ("a lost correction", CORRECTIONS, |c| Box::new(Intercept::new(c).lose(4))),
        ("lost one-way weights", CLIENT, |c| Box::new(Intercept::new(c).lose(9))),
        ("misled by the client", CLIENT, |c| Box::new(Misled { inner: c, left: Mutex::new(5), mute: false })),
        ("misled by the server", SERVER, |c| Box::new(Misled { inner: c, left: Mutex::new(5), mute: false })),
        ("misled by the dealer", (Role::Dealer, "server"), |c| {
            Box::new(Misled { inner: c, left: Mutex::new(5), mute: false })
        }),
        ("closed by the client", CLIENT, |c| Box::new(Intercept::new(c).close_after(6))),
        ("closed by the server", SERVER, |c| Box::new(Intercept::new(c).close_after(6))),
        ("closed at once", SERVER, |c| Box::new(Intercept::new(c).close_after(0))),
        ("corrections closed", CORRECTIONS, |c| Box::new(Intercept::new(c).close_after(6))),
        ("silence of the server", SERVER, |c| Box::new(Misled { inner: c, left: Mutex::new(5), mute: true })),
    ];
    // A first run compiles the kernels, so that none of the others stalls.
    let world = World::new(90);
    world.run(program);
    for (name, ends, fault) in faults {
        let start = Instant::now();
        let [client, server, _] = run(&world, ends, fault);
        assert!(start.elapsed() < STALL * 10, "{name}: took {:?}", start.elapsed());
        for (role, result) in [("client", client), ("server", server)] {
            let Err(error) = result else { panic!("{name}: the {role} noticed nothing") };
            let text = error.to_string();
            println!("{name}: {role}: {text}");
            assert!(text.contains("eval 5 / node 17 / tile 3"), "{name}: the {role} does not say where: {text}");
        }
    }
}
