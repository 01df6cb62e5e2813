//! Truncation, opening and lifting of more values than a picture has: no wrap failure, and the error's distribution.

use masque_engine::correlated::Scope;
use masque_engine::protocol::{lift, lift_cost, open, open_cost};
use masque_engine::testing::{World, signed, words};
use rand_chacha::rand_core::Rng;

/// Elements of a run.
const CHUNK: usize = 1 << 22;
/// Runs of each format.
const CHUNKS: u32 = 6;
/// Ring of the share, bits cut, ring after the lift.
const FORMATS: [(u32, u32, u32); 4] = [(64, 16, 64), (52, 12, 52), (48, 20, 64), (40, 16, 44)];
/// Standard deviation of the error: that of the difference of two uniform fractions whose sum is known.
const DEVIATION: f64 = 0.408;
/// Six standard deviations of the mean of one format's errors.
const BIAS: f64 = 5e-4;

/// What was seen of a format's errors, in units of the last place.
#[derive(Default)]
struct Errors {
    wraps: u64,
    sum: f64,
    squares: f64,
    largest: f64,
}

impl Errors {
    /// Compares `x / 2^shift` with shares of the result.
    fn add(&mut self, x: &[i64], shift: u32, (client, server): (&[u64], &[u64]), ring: u32) {
        let unit = f64::from(shift).exp2().recip();
        for ((x, a), b) in x.iter().zip(client).zip(server) {
            let y = signed(a.wrapping_add(*b), ring);
            let error = (i128::from(y) << shift) - i128::from(*x);
            if error.abs() >= 1 << shift {
                self.wraps += 1;
                continue;
            }
            let error = error as f64 * unit;
            self.sum += error;
            self.squares += error * error;
            self.largest = self.largest.max(error.abs());
        }
    }
}

#[test]
fn a_hundred_million_values_survive_truncation() {
    let world = World::new(50);
    let mut total = 0;
    for (format, (from, shift, to)) in FORMATS.into_iter().enumerate() {
        let wire = from - shift;
        // The whole declared range: a quarter of the ring, less a unit for rounding.
        let bound = (1u64 << (from - 2)) - (1 << shift);
        let values = |chunk| {
            let mut rng = world.rng(&format!("{format} {chunk}"));
            (0..CHUNK).map(|_| (rng.next_u64() % (2 * bound)) as i64 - bound as i64).collect::<Vec<_>>()
        };
        let x: Vec<Vec<i64>> = (0..CHUNKS).map(values).collect();
        let out = world.run(|w, ctx| {
            let mut all = vec![];
            for (chunk, x) in x.iter().enumerate() {
                ctx.enter(Scope { eval: chunk as u32, node: format as u32, tile: 0 });
                let x = w.share(ctx, &format!("shares {format} {chunk}"), x, from, shift)?;
                let opened = open(ctx, &x, shift, wire)?;
                let y = lift(ctx, &opened, to)?;
                all.push(words(ctx, &y)?);
            }
            Ok(all)
        });
        let once = open_cost(&[(CHUNK, wire)]) + lift_cost(CHUNK, wire, to);
        assert_eq!(out.cost, (1..CHUNKS).fold(once, |sum, _| sum + once));
        let mut errors = Errors::default();
        for ((x, client), server) in x.iter().zip(&out.client).zip(&out.server) {
            errors.add(x, shift, (client, server), to);
        }
        let n = CHUNK as f64 * f64::from(CHUNKS);
        let (mean, deviation) = (errors.sum / n, (errors.squares / n).sqrt());
        println!(
            "{from} bits cut by {shift}, lifted to {to}: {} wrap failures of {n}, error mean {mean:+.1e}, standard deviation {deviation:.4}, largest {:.4}",
            errors.wraps, errors.largest
        );
        assert_eq!(errors.wraps, 0, "{from} bits cut by {shift}: wrap failures");
        assert!(mean.abs() < BIAS, "{from} bits cut by {shift}: mean {mean}");
        assert!((deviation - DEVIATION).abs() < 1e-3, "{from} bits cut by {shift}: standard deviation {deviation}");
        assert!(errors.largest > 0.99, "{from} bits cut by {shift}: errors this small are no random shares");
        total += n as u64;
    }
    assert!(total >= 100_000_000, "{total} values");
}
