//! Traces: what is recorded, in which order, and that nothing is where none was asked for.

use std::time::{Duration, Instant};

use masque_engine::gpu::Recorder;
use masque_engine::kernels::{Element, Mode, Strided, matmul, pack};
use masque_engine::protocol::{Role, Window, compare, open};
use masque_engine::testing::World;
use masque_engine::trace::{Event, Place};

#[test]
fn a_trace_holds_kernels_exchanges_and_waits() {
    let world = World::new(42);
    let values: Vec<i64> = (-500..500).collect();
    let origin = Instant::now();
    let out = world.run(|w, ctx| {
        ctx.rec.start_trace(origin);
        let x = w.share(ctx, "x", &values, 40, 0)?;
        let wire = open(ctx, &x, 0, 24)?;
        compare(ctx, &wire, &[0], Window { lo: 0, hi: 17 })?;
        ctx.send_corrections()?;
        let events = ctx.rec.take_trace()?;
        assert!(ctx.rec.take_trace()?.is_empty(), "a trace is taken once");
        Ok((ctx.role, events))
    });
    let end = origin.elapsed() + Duration::from_millis(1);
    for (role, events) in [out.client, out.server, out.dealer] {
        let count = |place, name: &str| {
            events.iter().filter(|e: &&Event| e.place == place && e.name.split(", ").any(|n| n == name)).count()
        };
        println!("{role:?}: {} events", events.len());
        assert!(events.iter().all(|e| e.start + e.length <= end), "{role:?}: an event after the end");
        assert!(events.windows(2).all(|w| w[0].start <= w[1].start), "{role:?}: out of order");
        assert!(count(Place::Host, "read back") > 0, "{role:?}: read-backs");
        match role {
            Role::Dealer => {
                for kernel in ["compare_deal K60", "compare_products K16"] {
                    assert_eq!(count(Place::Device, kernel), 1, "{kernel}");
                }
                assert_eq!(count(Place::Network, "corrections"), 1);
            }
            _ => {
                let party = if role == Role::Client { "compare_leaf CLIENT K60" } else { "compare_leaf K60 SERVER" };
                assert_eq!(count(Place::Device, party), 1, "{role:?}: kernels");
                assert_eq!(count(Place::Network, "exchange"), 3, "{role:?}: exchanges");
                let bytes: u64 = events.iter().filter(|e| e.name == "exchange").map(|e| e.bytes).sum();
                // The bits of 32 whole groups of 32.
                assert_eq!(bytes, 3000 + 1000 + 128, "{role:?}: bytes");
                assert_eq!(count(Place::Network, "corrections"), if role == Role::Server { 2 } else { 0 }, "{role:?}");
            }
        }
    }
}

#[test]
fn nothing_is_recorded_unasked() {
    let out = World::new(43).run(|w, ctx| {
        let x = w.share(ctx, "x", &[1, 2, 3], 40, 0)?;
        open(ctx, &x, 0, 40)?;
        Ok(ctx.rec.take_trace()?)
    });
    assert!(out.client.is_empty() && out.dealer.is_empty());
}

/// What a role reports as compute holds all that its device did, also while its host did something else, as the dealer's
/// does.
#[test]
fn a_device_at_work_beside_its_host_counts() {
    const N: usize = 384;
    let mut rec = Recorder::new(World::new(44).gpu());
    let a = rec.upload_slice(&vec![3u64; N * N]).unwrap();
    let out = rec.words(N * N).unwrap();
    let square = |rec: &mut Recorder| {
        let b = pack(rec, Element::Ring, &a, Strided::rows(N), N, N).unwrap();
        matmul(rec, Element::Ring, Mode::Set, &a, Strided::rows(N), &b, &out, Strided::rows(N), N).unwrap();
    };
    // Kernels are compiled, and how long a call takes is known.
    square(&mut rec);
    let start = Instant::now();
    square(&mut rec);
    rec.read(&[(&out, 8)]).unwrap();
    let long = 4 * start.elapsed() + Duration::from_millis(50);

    rec.start_trace(Instant::now());
    square(&mut rec);
    let before = rec.busy();
    let back = rec.bring(&[(&out, 8)]).unwrap();
    std::thread::sleep(long);
    assert_eq!(rec.brought(back).unwrap(), [(9 * N as u64).to_le_bytes()]);
    let counted = rec.busy() - before;
    let device: Duration = rec.spent().unwrap().values().sum();
    println!("the device worked for {device:?}, {counted:?} counted");
    assert!(counted >= device.mul_f64(0.9), "{counted:?} of {device:?}");
    // It stops as well.
    let still = |rec: &Recorder| {
        let then = rec.busy();
        std::thread::sleep(Duration::from_millis(5));
        rec.busy() == then
    };
    assert!((0..1000).any(|_| still(&rec)));
}
