//! Exponentials for softmax: values, distribution of the error, cost.

use masque_engine::approx::Approx;
use masque_engine::protocol::{SoftmaxSpec, Window, exponential, exponential_cost, open, open_cost};
use masque_engine::testing::World;
use rand_chacha::rand_core::Rng;

use super::{real, unary, worst};

/// Largest ratio of mean square errors against exp: secure over plain approximation.
const RATIO: f64 = 1.03;

#[test]
fn exponentials_reach_their_approximations() {
    let world = World::new(8);
    let n = 1 << 14;
    for (approx, bound) in [(Approx::Loose, 3e-3), (Approx::Precise, 3e-3), (Approx::Cipherdm, 4e-3)] {
        for scale in [1.0, 32f64.sqrt().recip(), 40f64.sqrt().recip(), 160f64.sqrt().recip()] {
            let spec = SoftmaxSpec { scale, approx };
            let f = spec.logit_fraction();
            let mut rng = world.rng("values");
            let unit = f64::from(f).exp2();
            // A maximum may be found that is too small: every other value is up to 0.5 above it.
            let mut draw = |i: usize| {
                let (from, length) = if i.is_multiple_of(2) { (0.499, 0.499) } else { (0.0, 20.0) };
                ((from - length * (rng.next_u32() as f64 / 4294967296.0)) / scale * unit) as i64
            };
            let x: Vec<i64> = (0..n).map(&mut draw).collect();
            let window = Window { lo: 1, hi: 18 };
            let cost = open_cost(&[(n, 24)]) + exponential_cost(n, 24, &spec, window).unwrap();
            let y = unary(&world, &x, 24, f, cost, |ctx, x| {
                let w = open(ctx, x, 0, 24)?;
                exponential(ctx, &w, &spec, window)
            });
            let cutoff = if approx == Approx::Loose { -4.8 } else { -14.0 };
            for (y, x) in y.iter().zip(real(&x, f)) {
                let v = x * scale;
                let want = approx.exp(v);
                assert!((y - want).abs() < bound || (v - cutoff).abs() < 0.02, "{approx:?} {v}: {y} for {want}");
            }
        }
    }
}

#[test]
fn exponentials_are_as_good_as_their_approximations() {
    let world = World::new(33);
    let (n, k, below) = (1 << 16, 24, 8);
    for approx in [Approx::Loose, Approx::Precise] {
        let spec = SoftmaxSpec { scale: 1.0, approx };
        let f = spec.logit_fraction();
        let unit = f64::from(f + below).exp2();
        let x: Vec<i64> = (0..n).map(|i| (-14.0 * unit * (i as f64 + 0.5) / n as f64).round() as i64).collect();
        let window = Window { lo: f - 8, hi: f + 9 };
        let cost = open_cost(&[(n, k)]) + exponential_cost(n, k, &spec, window).unwrap();
        let y = unary(&world, &x, 40, f + below, cost, |ctx, x| {
            let w = open(ctx, x, below, k)?;
            exponential(ctx, &w, &spec, window)
        });
        let x = real(&x, f + below);
        let plain: Vec<f64> = x.iter().map(|v| approx.exp(*v)).collect();
        let mse = |y: &[f64]| y.iter().zip(&x).map(|(y, x)| (y - x.exp()).powi(2)).sum::<f64>() / n as f64;
        let ratio = mse(&y) / mse(&plain);
        let bias = y.iter().zip(&plain).map(|(y, p)| y - p).sum::<f64>() / n as f64;
        println!(
            "{approx} exp: {:.3} bytes each way, {:.1} offline, {} half rounds, MSE {:.2e}, ratio {ratio:.4}, largest error {:.1e}, bias {bias:.1e}",
            cost.to_client as f64 / n as f64,
            cost.offline as f64 / n as f64,
            cost.half_rounds,
            mse(&y),
            worst(&y, &plain)
        );
        assert!(ratio <= RATIO, "{approx}: ratio {ratio}");
        assert!(bias.abs() < 2e-5, "{approx}: bias {bias}");
    }
}
