//! What a role receives says nothing: bytes are uniform, whatever the secrets, and no mask is used twice.

use std::sync::{Arc, Mutex};

use masque_engine::net::{Address, Channel, Counters, Intercept, Link, Log, NetError, Received};
use masque_engine::protocol::Role;
use masque_engine::testing::World;

use super::programs::{PROGRAMS, Program};

/// Largest chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6; beyond once in 10^9.
const CHI_SQUARE: f64 = 410.0;
/// Fewest bytes for which the test means something.
const ENOUGH: usize = 255 * 16;

/// An end of a channel that notes what it sends.
struct Sender {
    inner: Box<dyn Channel>,
    log: Log,
}

impl Channel for Sender {
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        self.log.lock().unwrap().push(Received { at, payload: payload.clone() });
        self.inner.send(at, payload)
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

/// One end's messages.
struct End {
    role: Role,
    peer: String,
    sent: Log,
    received: Log,
}

impl End {
    fn name(&self) -> String {
        format!("{:?} from the {}", self.role, self.peer)
    }
}

/// All messages of a run with fresh keys and sharings.
fn record(world: &World, seed: u64, program: Program, secret: i64) -> Vec<End> {
    let ends = Arc::new(Mutex::new(vec![]));
    let notes = ends.clone();
    let world = world.beside(seed).wrapped(move |role, channel| {
        let (sent, received, peer) = (Log::default(), Log::default(), channel.peer().to_owned());
        let channel: Box<dyn Channel> = Box::new(Intercept::new(channel).record(&received));
        notes.lock().unwrap().push(End { role, peer, sent: sent.clone(), received });
        Box::new(Sender { inner: channel, log: sent })
    });
    world.run(|w, ctx| program(w, ctx, secret));
    std::mem::take(&mut *ends.lock().unwrap())
}

fn messages(log: &Log) -> Vec<Vec<u8>> {
    log.lock().unwrap().iter().map(|r| r.payload.clone()).collect()
}

fn histogram(bytes: impl Iterator<Item = u8>) -> [f64; 256] {
    let mut h = [0.0; 256];
    bytes.for_each(|b| h[usize::from(b)] += 1.0);
    h
}

/// Distance of a histogram from the uniform one.
fn uniformity(h: &[f64; 256]) -> f64 {
    let expected = h.iter().sum::<f64>() / 256.0;
    h.iter().map(|c| (c - expected).powi(2) / expected).sum()
}

/// Distance of two histograms from each other.
fn homogeneity(a: &[f64; 256], b: &[f64; 256]) -> f64 {
    let (na, nb) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    let (ra, rb) = ((nb / na).sqrt(), (na / nb).sqrt());
    a.iter().zip(b).filter(|(a, b)| **a + **b > 0.0).map(|(a, b)| (ra * a - rb * b).powi(2) / (a + b)).sum()
}

fn check(what: &str, statistic: f64) {
    assert!(statistic < CHI_SQUARE, "{what}: chi-square {statistic}");
}

#[test]
fn what_is_received_is_uniform_and_says_nothing_about_secrets() {
    let world = World::new(0);
    for (i, (name, program)) in PROGRAMS.into_iter().enumerate() {
        // Fresh keys for each secret: nothing, a small value, all bits set in places.
        let runs = [0i64, 1000, -0x5a5a]
            .map(|secret| record(&world, 70 + 10 * i as u64 + secret.unsigned_abs() % 7, program, secret));
        for (run, ends) in runs.iter().enumerate() {
            let mut heard = 0;
            for (end, first) in ends.iter().zip(&runs[0]) {
                assert_eq!((end.role, &end.peer), (first.role, &first.peer));
                let bytes = |end: &End| histogram(messages(&end.received).into_iter().flatten());
                let (here, there) = (bytes(end), bytes(first));
                let what = format!("{name}, secret {run}: {}", end.name());
                if here.iter().sum::<f64>() == 0.0 {
                    continue;
                }
                heard += 1;
                assert!(here.iter().sum::<f64>() >= ENOUGH as f64, "{what}: too few bytes to judge");
                check(&what, uniformity(&here));
                if run > 0 {
                    check(&format!("{what}, beside another secret"), homogeneity(&here, &there));
                }
            }
            // Client and server hear each other, the server the dealer where anything is dealt.
            assert_eq!(heard, if name == "opening" { 2 } else { 3 }, "{name}: ends that heard something");
        }
    }
}

#[test]
fn no_two_messages_share_a_mask() {
    let world = World::new(0);
    for (i, (name, program)) in PROGRAMS.into_iter().enumerate() {
        let ends = record(&world, 150 + i as u64, program, 1000);
        for role in [Role::Client, Role::Server] {
            // All that this role knows of: what it received from anybody, and what it sent.
            let known: Vec<Vec<u8>> = ends
                .iter()
                .filter(|e| e.role == role)
                .flat_map(|e| messages(&e.received).into_iter().chain(messages(&e.sent)))
                .filter(|m| m.len() >= ENOUGH)
                .collect();
            assert!(known.len() > 1, "{name}: {} long messages at the {role:?}", known.len());
            for (j, a) in known.iter().enumerate() {
                for b in known[..j].iter().filter(|b| b.len() == a.len()) {
                    let difference = histogram(a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b)));
                    check(&format!("{name}: difference of two messages at the {role:?}"), uniformity(&difference));
                    let sum = histogram(a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b)));
                    check(&format!("{name}: sum of two messages at the {role:?}"), uniformity(&sum));
                    let xor = histogram(a.iter().zip(b).map(|(a, b)| a ^ b));
                    check(&format!("{name}: exclusive or of two messages at the {role:?}"), uniformity(&xor));
                }
            }
        }
    }
}

#[test]
fn the_dealer_receives_nothing() {
    let world = World::new(0);
    for (i, (name, program)) in PROGRAMS.into_iter().enumerate() {
        let ends = record(&world, 170 + i as u64, program, 1000);
        for end in ends.iter().filter(|e| e.role == Role::Dealer) {
            assert!(messages(&end.received).is_empty(), "{name}: the dealer received something");
        }
        for end in ends.iter().filter(|e| e.peer == "dealer") {
            assert!(messages(&end.sent).is_empty(), "{name}: somebody sent to the dealer");
        }
    }
}

#[cfg(debug_assertions)]
#[test]
fn drawing_a_mask_twice_panics() {
    use masque_engine::correlated::Scope;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let scope = Scope { eval: 3, node: 1, tile: 2 };
    let world = World::new(180);
    let out = world.run(|_, ctx| {
        ctx.enter(scope);
        ctx.mask(64, 24)?;
        ctx.mask(64, 24)?;
        // Another tile has masks of its own.
        ctx.enter(Scope { tile: 3, ..scope });
        ctx.mask(64, 24)?;
        ctx.enter(scope);
        let again = catch_unwind(AssertUnwindSafe(|| ctx.mask(64, 24).map(drop)));
        Ok(again.err().and_then(|e| e.downcast_ref::<String>().cloned()).unwrap_or_default())
    });
    for message in [out.client, out.server, out.dealer] {
        assert!(message.contains("drawn twice") && message.contains("node: 1"), "{message:?}");
    }
}
