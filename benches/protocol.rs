//! Protocols with all three roles: client, server and dealer as threads of this process, channels in memory, one device.
//!
//! A sample is the time from the moment all three start until the last of them is done, so it holds the work of the
//! dealer too. Each case is checked against plain integers before the first sample.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use masque_engine::correlated::Scope;
use masque_engine::gpu::Buf;
use masque_engine::protocol::{Ctx, Error, Segment, Table, Window, Wire, compare, open, piecewise};
use masque_engine::testing::{World, reconstruct};
use rand_chacha::rand_core::Rng;

/// Elements of every case.
const N: usize = 1 << 18;
/// Ring and fraction bits of the wire.
const RING: u32 = 24;
const FRACTION: u32 = 10;
/// The bits that are compared: one group of four nibbles and the sign.
const WINDOW: Window = Window { lo: 4, hi: 21 };

fn inputs(world: &World) -> Vec<i64> {
    let mut rng = world.rng("values");
    (0..N).map(|_| (rng.next_u32() % (1 << 19)) as i64 - (1 << 18)).collect()
}

/// Time of `iters` runs of `step` by all three roles, each under stream addresses of its own, after one to warm up.
fn timed(
    world: &World,
    x: &[i64],
    iters: u64,
    step: impl Fn(&mut Ctx, &Wire) -> Result<Option<Buf>, Error> + Sync,
) -> Duration {
    let all = Barrier::new(3);
    let out = world.run(|w, ctx| {
        let share = w.share(ctx, "x", x, RING, FRACTION)?;
        let wire = open(ctx, &share, 0, RING)?;
        let mut repeat = |evaluations: std::ops::RangeInclusive<u32>| -> Result<(), Error> {
            let mut last = None;
            for eval in evaluations {
                ctx.enter(Scope { eval, node: 0, tile: 0 });
                last = step(ctx, &wire)?;
            }
            done(ctx, last.as_ref())
        };
        repeat(1..=1)?;
        all.wait();
        let start = Instant::now();
        repeat(2..=iters as u32 + 1)?;
        all.wait();
        Ok(start.elapsed())
    });
    out.client
}

/// Nothing is queued and the device is idle.
fn done(ctx: &mut Ctx, result: Option<&Buf>) -> Result<(), Error> {
    ctx.finish()?;
    if let Some(b) = result {
        ctx.rec.read(&[(b, 4)])?;
    }
    Ok(())
}

fn compared(c: &mut Criterion) {
    let world = World::new(11);
    let x = inputs(&world);
    let out = world.run(|w, ctx| {
        let share = w.share(ctx, "x", &x, RING, FRACTION)?;
        let wire = open(ctx, &share, 0, RING)?;
        let bits = compare(ctx, &wire, &[0], WINDOW)?;
        let opened = bits.opened.as_ref().map(|b| ctx.rec.read_slice::<u32>(b, N / 32)).transpose()?;
        Ok((opened.unwrap_or_default(), ctx.rec.read_slice::<u32>(&bits.masks, N / 32)?))
    });
    for (i, v) in x.iter().enumerate() {
        let bit = (out.client.0[i / 32] ^ out.client.1[i / 32] ^ out.server.1[i / 32]) >> (i % 32) & 1;
        assert!(v.abs() < 1 << (WINDOW.lo - 1) || (bit == 1) == (*v < 0), "{v} < 0");
    }
    let mut g = c.benchmark_group("protocol/compare");
    g.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    g.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(N as u64));
    g.bench_function("17 bits, one threshold", |b| {
        b.iter_custom(|iters| timed(&world, &x, iters, |ctx, w| Ok(compare(ctx, w, &[0], WINDOW)?.opened)));
    });
}

fn relu(c: &mut Criterion) {
    let world = World::new(12);
    let x = inputs(&world);
    let segment = Segment { above: Some(0), below: None, coefficients: vec![0.0, 1.0] };
    let table = Table::new(&[segment], FRACTION, FRACTION).expect("a table that fits");
    let step = |ctx: &mut Ctx, w: &Wire| {
        let bits = compare(ctx, w, &[0], WINDOW)?;
        piecewise(ctx, w, Some(&bits), &table, RING)
    };
    let out = world.run(|w, ctx| {
        let share = w.share(ctx, "x", &x, RING, FRACTION)?;
        let wire = open(ctx, &share, 0, RING)?;
        let y = step(ctx, &wire)?;
        masque_engine::testing::words(ctx, &y)
    });
    for (v, y) in x.iter().zip(reconstruct(&out.client, &out.server, RING)) {
        assert!(y == *v.max(&0) || v.abs() < 1 << (WINDOW.lo - 1), "relu({v}) came out as {y}");
    }
    let mut g = c.benchmark_group("protocol/piecewise");
    g.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    g.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(N as u64));
    g.bench_function("relu with its comparison", |b| {
        b.iter_custom(|iters| timed(&world, &x, iters, |ctx, w| Ok(step(ctx, w)?.buf)));
    });
}

criterion_group!(benches, compared, relu);
criterion_main!(benches);
