//! Softmax over rows: values against the plain approximation, cost, and what the revealed maximum sends.

use masque_engine::approx::Approx;
use masque_engine::protocol::{RowMaximum, RowSoftmax, SoftmaxSpec, row_softmax, row_softmax_cost};
use masque_engine::testing::World;
use rand_chacha::rand_core::Rng;

use super::{real, unary};

/// Largest ratio of mean square errors against the exact softmax: secure over plain approximation.
const RATIO: f64 = 1.03;
/// Fraction bits of logits and result.
const F: u32 = 18;
const RESULT: u32 = 24;

fn softmax(row: &[f64], approx: Approx) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = row.iter().map(|v| approx.exp(v - top)).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|v| v / sum).collect()
}

#[test]
fn rows_are_as_good_as_the_approximation() {
    let world = World::new(40);
    let revealed = RowMaximum::Revealed;
    for (rows, cols, approx, maximum) in [
        (64, 256, Approx::Loose, RowMaximum::Secure),
        (64, 256, Approx::Precise, RowMaximum::Secure),
        (4, 4096, Approx::Loose, RowMaximum::Secure),
        (64, 256, Approx::Loose, revealed),
        (64, 256, Approx::Precise, revealed),
        (7, 77, Approx::Cipherdm, RowMaximum::Secure),
    ] {
        let s = RowSoftmax { rows, cols, spec: SoftmaxSpec { scale: 1.0, approx }, maximum };
        let mut rng = world.rng("logits");
        let unit = f64::from(F).exp2();
        let x: Vec<i64> =
            (0..rows * cols).map(|_| ((14.0 * f64::from(rng.next_u32()) / 4294967296.0 - 9.0) * unit) as i64).collect();
        let cost = row_softmax_cost(&s).unwrap();
        let y = unary(&world, &x, 48, F, cost, |ctx, x| {
            let y = row_softmax(ctx, x, &s, RESULT)?;
            assert_eq!(y.f, RESULT);
            Ok(y)
        });
        let x = real(&x, F);
        let by = |approx| x.chunks(cols).flat_map(|row| softmax(row, approx)).collect::<Vec<_>>();
        let (plain, exact) = (by(approx), by(Approx::Exact));
        let mse = |y: &[f64]| y.iter().zip(&exact).map(|(y, e)| (y - e).powi(2)).sum::<f64>() / y.len() as f64;
        let (each, n) = (cost.to_client as f64 / x.len() as f64, x.len() as f64);
        let ratio = mse(&y) / mse(&plain);
        println!(
            "{approx} {rows}x{cols} {maximum:?}: {each:.2} bytes to the client, {:.2} to the server, {:.0} offline, {} half \
             rounds, MSE {:.2e}, ratio {ratio:.4}",
            cost.to_server as f64 / n,
            cost.offline as f64 / n,
            cost.half_rounds,
            mse(&y)
        );
        assert!(ratio <= RATIO, "{approx} {rows}x{cols} {maximum:?}: ratio {ratio}");
        for row in y.chunks(cols) {
            assert!(
                (row.iter().sum::<f64>() - 1.0).abs() < 1e-3,
                "{approx}: a row sums to {}",
                row.iter().sum::<f64>()
            );
        }
        if cols == 4096 {
            assert!(each <= 24.0, "{each} bytes each way");
        }
    }
    assert!(RowMaximum::Secure.leaks().is_none() && revealed.leaks().is_some());
}
