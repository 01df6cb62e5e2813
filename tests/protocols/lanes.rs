//! Several tiles in flight: the same shares, bytes and rounds as one after the other, whatever the network does; failures of one
//! lane end all of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use masque_engine::approx::Approx;
use masque_engine::correlated::Scope;
use masque_engine::graph::ops::Function;
use masque_engine::net::{Channel, Delay, Intercept};
use masque_engine::protocol::*;
use masque_engine::testing::{Outcome, World, words};
use masque_engine::trace::{Event, Place};

use super::uniform;

const SCOPE: Scope = Scope { eval: 5, node: 17, tile: 0 };
/// A head at a time, in two tiles each.
const SHAPE: AttentionShape =
    AttentionShape { n: 2, heads: 3, queries: 24, keys: 13, width: 5, causal: false, tile: 208 };
const TILES: usize = 2 * SHAPE.n * SHAPE.heads;
const STALL: Duration = Duration::from_secs(4);

/// An attention, of which every role returns its words.
fn program(w: &World, ctx: &mut Ctx) -> Result<Vec<u64>, Error> {
    let (k, f, width) = (44, 11, SHAPE.heads * SHAPE.width);
    ctx.enter(SCOPE);
    let mut shares = vec![];
    for (label, tokens) in [("q", SHAPE.queries), ("k", SHAPE.keys), ("v", SHAPE.keys)] {
        shares.push(w.share(ctx, label, &uniform(w, label, SHAPE.n * tokens * width, 2047), k, f)?);
    }
    let wires = open_all(ctx, &[(&shares[0], 0, k), (&shares[1], 0, k), (&shares[2], 0, k)])?;
    let spec = SoftmaxSpec { scale: 0.4, approx: Approx::Loose };
    let y = attention(ctx, &wires[0], &wires[1], &wires[2], &SHAPE, (&spec, RowMaximum::Secure))?;
    words(ctx, &y)
}

/// That with so many lanes at client and server.
fn with_lanes(client: usize, server: usize) -> impl Fn(&World, &mut Ctx) -> Result<Vec<u64>, Error> + Sync {
    move |w, ctx| {
        ctx.set_lanes(if ctx.role == Role::Client { client } else { server });
        program(w, ctx)
    }
}

fn same<T: PartialEq>(a: &Outcome<T>, b: &Outcome<T>, what: &str) {
    assert!(a.client == b.client && a.server == b.server, "{what}: other shares");
    assert_eq!(a.cost, b.cost, "{what}");
}

#[test]
fn lanes_change_nothing() {
    let world = World::new(110);
    let one = world.run(with_lanes(1, 1));
    for (client, server) in [(2, 2), (1, 2), (2, 1), (3, 2), (5, 5)] {
        let lanes = world.beside(110).run(with_lanes(client, server));
        same(&one, &lanes, &format!("{client} and {server} lanes"));
    }
    same(&one, &world.beside(110).run(program), "as many as there are if nothing is said");
}

#[test]
fn lanes_change_nothing_when_messages_are_late() {
    let world = World::new(111);
    let one = world.run(with_lanes(1, 1));
    for round in 0..4 {
        let late = world.beside(111).wrapped(move |role, channel| {
            let seed = 8 * round + 2 * role as u64 + channel.peer().len() as u64 % 2;
            Box::new(Intercept::new(channel).delay(Delay::Random { seed, below: Duration::from_millis(3) }))
        });
        let (client, server) = [(2, 2), (1, 2), (2, 1), (3, 3)][round as usize];
        same(&one, &late.run(with_lanes(client, server)), &format!("round {round}"));
    }
}

#[test]
fn pieces_in_flight_change_nothing() {
    let world = World::new(112);
    let window = Window { lo: 3, hi: 20 };
    let table = Approx::Precise.activation(Function::Silu).unwrap();
    let rounds = |n| activation_cost(n, (24, 11), &table, window, 11, 36).unwrap().half_rounds;
    let n = (16..23).map(|bits| (1 << bits) + 1003).find(|n| rounds(*n) > rounds(1)).expect("more than one piece");
    let x = uniform(&world, "x", n, 9 << 11);
    let [one, two] = [1, 2].map(|lanes| {
        world.beside(112).run(|w, ctx| {
            ctx.set_lanes(lanes);
            let x = w.share(ctx, "x", &x, 24, 11)?;
            let x = open(ctx, &x, 0, 24)?;
            let y = activation(ctx, &x, &table, window, 11, 36)?;
            words(ctx, &y)
        })
    });
    same(&one, &two, "an activation");
}

type Fault = fn(Box<dyn Channel>) -> Box<dyn Channel>;

#[test]
fn a_fault_in_one_lane_ends_both_parties() {
    const CLIENT: (Role, &str) = (Role::Client, "server");
    const SERVER: (Role, &str) = (Role::Server, "client");
    const CORRECTIONS: (Role, &str) = (Role::Server, "dealer");
    let faults: [(&str, (Role, &str), Fault); 8] = [
        ("cut at the client", CLIENT, |c| Box::new(Intercept::new(c).truncate(33, 3))),
        ("cut at the server", SERVER, |c| Box::new(Intercept::new(c).truncate(33, 3))),
        ("a cut correction", CORRECTIONS, |c| Box::new(Intercept::new(c).truncate(60, 3))),
        // In the middle of a tile: after a tile's last message the other party needs no more, and its other lanes go on.
        ("lost to the client", CLIENT, |c| Box::new(Intercept::new(c).lose(12))),
        ("lost to the server", SERVER, |c| Box::new(Intercept::new(c).lose(13))),
        ("a lost correction", CORRECTIONS, |c| Box::new(Intercept::new(c).lose(70))),
        ("closed by the server", SERVER, |c| Box::new(Intercept::new(c).close_after(35))),
        ("corrections closed", CORRECTIONS, |c| Box::new(Intercept::new(c).close_after(50))),
    ];
    let world = World::new(113);
    world.run(program);
    for (name, (role, peer), fault) in faults {
        let world = world
            .beside(113)
            .stalling(STALL)
            .wrapped(move |r, channel| if (r, channel.peer()) == (role, peer) { fault(channel) } else { channel });
        let start = Instant::now();
        let [client, server, _] = world.try_run(program);
        assert!(start.elapsed() < STALL * 10, "{name}: took {:?}", start.elapsed());
        for (role, result) in [("client", client), ("server", server)] {
            let Err(error) = result else { panic!("{name}: the {role} noticed nothing") };
            println!("{name}: {role}: {error}");
            assert!(!matches!(error, Error::Stopped(_)), "{name}: the {role} hides the cause: {error}");
            assert!(error.to_string().contains("eval 5 / node 17 / tile "), "{name}: {role}: {error}");
        }
    }
}

#[test]
fn whoever_looks_on_sees_every_tile_and_may_stop_all() {
    let seen = Arc::new(Mutex::new(vec![]));
    let world = World::new(114);
    let watched = |stop: u16| {
        let seen = seen.clone();
        move |w: &World, ctx: &mut Ctx| {
            if ctx.role == Role::Server {
                let seen = seen.clone();
                ctx.watch(Box::new(move |at: Scope| {
                    seen.lock().unwrap().push(at.tile);
                    if at.tile == stop { Err("enough".into()) } else { Ok(()) }
                }));
            }
            program(w, ctx)
        }
    };
    world.run(watched(u16::MAX));
    let mut tiles = std::mem::take(&mut *seen.lock().unwrap());
    tiles.sort_unstable();
    assert_eq!(tiles, (1..=TILES as u16).collect::<Vec<_>>());

    let start = Instant::now();
    let [client, server, _] = world.beside(114).stalling(STALL).try_run(watched(5));
    assert!(matches!(&server, Err(Error::Stopped(why)) if why == "enough"), "{:?}", server.map(|_| ()));
    assert!(client.is_err() && start.elapsed() < STALL, "{:?}", start.elapsed());
    assert!(seen.lock().unwrap().len() < TILES, "no tile begins after the end");
}

#[test]
fn times_count_once_and_a_trace_tells_lanes_apart() {
    let world = World::new(115)
        .wrapped(|_, channel| Box::new(Intercept::new(channel).delay(Delay::Fixed(Duration::from_millis(1)))));
    world.run(program);
    for lanes in [1, 2] {
        let out = world.run(|w, ctx| {
            ctx.rec.start_trace(Instant::now());
            ctx.set_lanes(lanes);
            let start = Instant::now();
            program(w, ctx)?;
            let device: Duration = ctx.rec.spent()?.values().sum();
            let wall = start.elapsed();
            let (waited, aside) = (ctx.waited(), ctx.set_aside().1);
            assert!(waited > Duration::ZERO && aside <= waited && waited < wall, "{aside:?} {waited:?} {wall:?}");
            assert!(device > Duration::ZERO && device < wall, "{device:?} {wall:?}");
            assert!(ctx.rec.busy() < wall);
            Ok((ctx.role, ctx.rec.dispatches(), ctx.rec.take_trace()?))
        });
        for (role, dispatches, events) in [out.client, out.server, out.dealer] {
            let of = |lane, place| events.iter().filter(move |e: &&Event| e.lane == lane && e.place == place);
            let kernels = of(0, Place::Device).count() + of(1, Place::Device).count();
            println!("{role}, {lanes} lanes: {kernels} kernels, {dispatches} dispatches");
            let (mine, theirs) = (of(0, Place::Network).count(), of(1, Place::Network).count());
            let party = role != Role::Dealer;
            assert_eq!((of(1, Place::Device).count() > 0, theirs > 0), (party && lanes == 2, party && lanes == 2));
            assert!(mine > 0 && events.windows(2).all(|w| w[0].start <= w[1].start), "{role}: out of order");
            let at_once = of(0, Place::Network)
                .any(|a| of(1, Place::Device).any(|b| a.start < b.start + b.length && b.start < a.start + a.length));
            assert_eq!(at_once, party && lanes == 2, "{role}: kernels while a message is on its way");
        }
    }
}
