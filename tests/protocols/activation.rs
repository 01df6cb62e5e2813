//! Activations on shares: values, distribution of the error, cost.

use masque_engine::approx::{Approx, Piecewise, Segment};
use masque_engine::graph::ops::Function;
use masque_engine::protocol::{Window, activation, activation_cost, open, open_cost};
use masque_engine::testing::World;
use rand_chacha::rand_core::Rng;

use super::{unary, worst};

/// Largest ratio of mean square errors against the exact function: secure over plain approximation.
const RATIO: f64 = 1.03;
/// Largest error against the plain approximation, away from borders.
const ERROR: f64 = 3e-3;
/// Elements of a test.
const N: usize = 1 << 16;
/// Bits below those of the wire in the input.
const BELOW: u32 = 8;

struct Case {
    function: Function,
    approx: Approx,
    /// The paper's interval.
    interval: (f64, f64),
    /// Bytes each way an element with the opening of x, at most.
    bytes: f64,
}

fn cases() -> Vec<Case> {
    let case = |function, approx, interval, bytes| Case { function, approx, interval, bytes };
    let mut all = vec![case(Function::Relu, Approx::Loose, (-8.0, 8.0), 4.125)];
    for (approx, gelu, silu) in [(Approx::Precise, 11.875, 11.875), (Approx::Loose, 9.25, 9.25)] {
        all.push(case(Function::Silu, approx, (-8.0, 4.0), silu));
        all.push(case(Function::Gelu, approx, (-5.0, 3.0), gelu));
        all.push(case(Function::QuickGelu, approx, (-5.0, 3.0), silu));
    }
    all
}

/// Points of an interval, and some on its outside up to 200.
fn points(world: &World, interval: (f64, f64), f: u32) -> (Vec<i64>, usize) {
    let mut rng = world.rng("points");
    let unit = f64::from(f).exp2();
    let (a, b) = interval;
    let inside = N - N / 8;
    let grid = (0..inside).map(|i| a + (b - a) * (i as f64 + 0.5) / inside as f64);
    let mut x: Vec<i64> = grid.map(|v| (v * unit).round() as i64).collect();
    x.extend((inside..N).map(|_| ((f64::from(rng.next_u32()) / 4294967296.0 - 0.5) * 400.0 * unit) as i64));
    (x, inside)
}

#[test]
fn activations_reach_their_approximations() {
    let world = World::new(30);
    for (fx, f, to) in [(10, 10, 40), (12, 12, 44), (11, 14, 48)] {
        for c in cases() {
            let (table, k) = (c.approx.activation(c.function).unwrap(), 24);
            let (x, inside) = points(&world, c.interval, fx + BELOW);
            let window = Window { lo: fx - 8, hi: fx + 9 };
            let cost = open_cost(&[(N, k)]) + activation_cost(N, (k, fx), &table, window, f, to).unwrap();
            let y = unary(&world, &x, 40, fx + BELOW, cost, |ctx, x| {
                let w = open(ctx, x, BELOW, k)?;
                let y = activation(ctx, &w, &table, window, f, to)?;
                assert!(y.k >= to && y.f == f);
                Ok(y)
            });
            let real = super::real(&x, fx + BELOW);
            let approx: Vec<f64> = real.iter().map(|v| table.eval(*v)).collect();
            let exact: Vec<f64> = real.iter().map(|v| Approx::Exact.apply(c.function, *v)).collect();
            let mse =
                |y: &[f64]| y[..inside].iter().zip(&exact).map(|(y, e)| (y - e).powi(2)).sum::<f64>() / inside as f64;
            let ratio = mse(&y) / mse(&approx);
            let name = format!("{} {:?} from {fx} to {f} bits", c.approx, c.function);
            let each = cost.to_client as f64 / N as f64;
            let near = |v: f64| table.thresholds.iter().any(|t| (v - t).abs() < 1.0 / 256.0);
            let away = |v: &[f64]| v.iter().zip(&real).filter(|(_, x)| !near(**x)).map(|(v, _)| *v).collect::<Vec<_>>();
            let worst = worst(&away(&y), &away(&approx));
            let bias = y[..inside].iter().zip(&approx).map(|(y, a)| y - a).sum::<f64>() / inside as f64;
            println!(
                "{name}: {each:.3} bytes each way, {:.1} offline, {} half rounds, MSE ratio {ratio:.4}, largest error {worst:.1e}, bias {bias:.1e}",
                cost.offline as f64 / N as f64,
                cost.half_rounds
            );
            assert!(worst <= ERROR, "{name}: error {worst}");
            assert!(each <= c.bytes, "{name}: {each} bytes");
            if c.function != Function::Relu {
                assert!(ratio <= RATIO, "{name}: ratio {ratio}");
            }
        }
    }
}

#[test]
fn clamping_is_a_table_too() {
    let world = World::new(31);
    let (n, fx, window) = (3001, 12, Window { lo: 2, hi: 18 });
    let table = Piecewise::clamp(-1.0, 1.0);
    let x = super::uniform(&world, "x", n, 5 << fx);
    let cost = open_cost(&[(n, 24)]) + activation_cost(n, (24, fx), &table, window, fx, 36).unwrap();
    let y = unary(&world, &x, 24, fx, cost, |ctx, x| {
        let w = open(ctx, x, 0, 24)?;
        activation(ctx, &w, &table, window, fx, 36)
    });
    let want: Vec<f64> = super::real(&x, fx).iter().map(|v| v.clamp(-1.0, 1.0)).collect();
    assert!(worst(&y, &want) <= 4.0 / 4096.0, "{}", worst(&y, &want));
}

#[test]
fn large_tensors_go_in_pieces() {
    let world = World::new(32);
    let (n, fx, window) = ((1 << 22) + 1003, 11, Window { lo: 3, hi: 20 });
    let table = Approx::Precise.activation(Function::Silu).unwrap();
    let format = (24, fx);
    let cost = |n| open_cost(&[(n, 24)]) + activation_cost(n, format, &table, window, fx, 36).unwrap();
    let one = cost(1 << 16).half_rounds;
    assert!(cost(n).half_rounds > one, "more than one piece");
    let x = super::uniform(&world, "x", n, 9 << fx);
    let y = unary(&world, &x, 24, fx, cost(n), |ctx, x| {
        let w = open(ctx, x, 0, 24)?;
        activation(ctx, &w, &table, window, fx, 36)
    });
    // Away from borders, where a coarse window decides either way.
    let near = |v: f64| table.thresholds.iter().any(|t| (v - t).abs() < 1.0 / 128.0);
    let error = |(y, x): (&f64, f64)| if near(x) { 0.0 } else { (y - table.eval(x)).abs() };
    let worst = y.iter().zip(super::real(&x, fx)).map(error).fold(0.0, f64::max);
    assert!(worst <= ERROR, "error {worst}");
}

#[test]
fn activations_that_do_not_fit_are_named() {
    let window = Window { lo: 4, hi: 21 };
    let silu = Approx::Precise.activation(Function::Silu).unwrap();
    let cost = |table: &Piecewise, fx, to| activation_cost(10, (24, fx), table, window, 12, to);
    assert!(cost(&silu, 12, 40).is_ok());
    let wide = cost(&silu, 14, 64).unwrap_err().to_string();
    assert!(wide.contains("64 bits"), "{wide}");
    let open_ended = Piecewise { thresholds: vec![0.0], segments: vec![Segment::Zero, Segment::Poly(vec![0.0, 2.0])] };
    assert!(cost(&open_ended, 12, 40).unwrap_err().to_string().contains("both sides"));
    let large = Piecewise {
        thresholds: vec![0.0, 9.0],
        segments: vec![Segment::Zero, Segment::Poly(vec![0.0, 1.0]), Segment::Identity],
    };
    assert!(cost(&large, 12, 40).unwrap_err().to_string().contains("too large"));
}
