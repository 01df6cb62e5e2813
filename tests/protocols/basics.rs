//! Openings, products, comparisons, piecewise polynomials, maxima, exponentials.

use masque_engine::gpu::Buf;
use masque_engine::protocol::*;
use masque_engine::testing::{World, reconstruct, signed, words};
use rand_chacha::rand_core::Rng;

use super::{real, unary, uniform, worst};

#[test]
fn open_truncates_without_wrap_failures_and_lifts_exactly() {
    let world = World::new(1);
    for (k, shift, to) in [(64, 16, 64), (48, 12, 52), (40, 20, 64), (36, 12, 40)] {
        let n = 50_000;
        let x = uniform(&world, "values", n, 1 << (k - 4));
        let wire = k - shift;
        let y = unary(&world, &x, k, shift, open_cost(&[(n, wire)]) + lift_cost(n, wire, to), |ctx, x| {
            let w = open(ctx, x, shift, wire)?;
            lift(ctx, &w, to)
        });
        let error: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y - *x as f64 / f64::from(shift).exp2()).collect();
        let mean = error.iter().sum::<f64>() / n as f64;
        let deviation = (error.iter().map(|e| e * e).sum::<f64>() / n as f64).sqrt();
        assert!(error.iter().all(|e| e.abs() <= 1.0), "{k} cut by {shift}");
        assert!(mean.abs() < 0.01 && (deviation - 0.41).abs() < 0.02, "mean {mean} deviation {deviation}");
    }
}

#[test]
fn products_are_exact() {
    let world = World::new(2);
    let (rows, cols) = (37, 21);
    let x = uniform(&world, "x", rows * cols, 1 << 14);
    let y = uniform(&world, "y", rows, 1 << 14);
    let out = world.run(|w, ctx| {
        let x = w.share(ctx, "x", &x, 40, 8)?;
        let y = w.share(ctx, "y", &y, 40, 8)?;
        let o = open_all(ctx, &[(&x, 0, 40), (&y, 0, 40)])?;
        let z = multiply(ctx, &o[0], &o[1], Map::per_row(cols))?;
        let s = square_sums(ctx, &o[0], &Groups::rows(rows, cols))?;
        Ok((words(ctx, &z)?, words(ctx, &s)?))
    });
    let z = reconstruct(&out.client.0, &out.server.0, 40);
    for i in 0..rows * cols {
        assert_eq!(z[i], signed((x[i] * y[i / cols]) as u64, 40));
    }
    let s = reconstruct(&out.client.1, &out.server.1, 40);
    for r in 0..rows {
        let want: i64 = x[r * cols..(r + 1) * cols].iter().map(|v| v * v).sum();
        assert_eq!(s[r], want);
    }
    let n = rows * cols;
    let extra = Cost { offline: packed_bytes(rows, 40), ..Cost::default() };
    assert_eq!(out.cost, open_cost(&[(n, 40), (rows, 40)]) + multiply_cost(n, 40) + extra);
}

#[test]
fn comparison_is_right_beyond_half_a_unit_of_the_threshold() {
    let world = World::new(3);
    let many = [(24, 0, 16), (24, 4, 21), (40, 8, 32), (64, 0, 48), (16, 2, 9)].map(|window| (4003, window));
    // Few elements get large digits.
    let few = [(24, 3, 21), (40, 8, 32), (64, 31, 60)].map(|window| (1003, window));
    for (n, (k, lo, hi)) in many.into_iter().chain(few) {
        let bound = 1i64 << (hi - 2);
        let mut x = uniform(&world, "values", n, bound);
        let thresholds = [-bound / 3, 0, bound / 5];
        for (i, t) in thresholds.iter().enumerate() {
            for d in -3i64..=3 {
                x[i * 7 + (d + 3) as usize] = t + (d << lo >> 1);
            }
        }
        let window = Window { lo, hi };
        let out = world.run(|w, ctx| {
            let s = w.share(ctx, "x", &x, k, 0)?;
            let wire = open(ctx, &s, 0, k)?;
            let bits = compare(ctx, &wire, &thresholds, window)?;
            assert_eq!(bits.words(), 3 * n.div_ceil(32));
            let mut words = |b: &Buf| ctx.rec.read_slice::<u32>(b, bits.words());
            let opened = bits.opened.as_ref().map(&mut words).transpose()?;
            let masks = words(&bits.masks)?;
            Ok((opened.unwrap_or_default(), masks, bits))
        });
        assert_eq!(out.client.0, out.server.0, "both parties see the same masked bits");
        assert_eq!(out.cost, open_cost(&[(n, k)]) + compare_cost(n, 3, window));
        let bits = &out.client.2;
        for (i, v) in x.iter().enumerate() {
            for (j, t) in thresholds.iter().enumerate() {
                let at = |words| bits.at(words, j, i);
                let beta = at(&out.client.1) ^ at(&out.server.1);
                assert_eq!(beta, at(&out.dealer.1), "dealer knows the mask");
                let bit = at(&out.client.0) ^ beta;
                if (v - t).abs() >= 1 << lo >> 1 {
                    assert_eq!(bit == 1, v < t, "{v} < {t} in window {lo}..{hi}");
                }
            }
        }
        let ones = out.client.0.iter().map(|w| w.count_ones()).sum::<u32>() as f64 / (3 * n.next_multiple_of(8)) as f64;
        assert!((ones - 0.5).abs() < 0.03, "opened bits are uniform, got {ones}");
    }
}

#[test]
fn relu_in_its_own_and_in_a_larger_ring() {
    let world = World::new(4);
    let n = 5001;
    let x = uniform(&world, "values", n, 1 << 14);
    let window = Window { lo: 0, hi: 17 };
    let table = Table::new(&[Segment { above: Some(0), below: None, coefficients: vec![0.0, 1.0] }], 10, 10).unwrap();
    for to in [24, 52] {
        let cost = open_cost(&[(n, 24)]) + compare_cost(n, 1, window) + piecewise_cost(n, &table, 24, to);
        let y = unary(&world, &x, 26, 10, cost, |ctx, x| {
            let w = open(ctx, x, 0, 24)?;
            let bits = compare(ctx, &w, &[0], window)?;
            piecewise(ctx, &w, Some(&bits), &table, to)
        });
        let want: Vec<f64> = real(&x, 10).iter().map(|v| v.max(0.0)).collect();
        assert!(worst(&y, &want) <= 2.0 / 1024.0, "ring {to}: {}", worst(&y, &want));
    }
}

#[test]
fn three_segments_of_a_quartic() {
    let world = World::new(5);
    let n = 3000;
    let x = uniform(&world, "values", n, 10 << 10);
    let window = Window { lo: 0, hi: 16 };
    let c = [0.3, -0.7, 0.11, 0.05, -0.013];
    let at = |x: f64| c.iter().rev().fold(0.0, |y, a| y * x + a);
    let segments = [
        Segment { above: None, below: Some(0), coefficients: vec![-1.0] },
        Segment { above: Some(0), below: Some(1), coefficients: c.to_vec() },
        Segment { above: Some(1), below: None, coefficients: vec![0.0, 1.0] },
    ];
    let table = Table::new(&segments, 10, 58).unwrap();
    let cost = open_cost(&[(n, 20)]) + compare_cost(n, 2, window) + piecewise_cost(n, &table, 20, 64);
    let y = unary(&world, &x, 40, 10, cost, |ctx, x| {
        let w = open(ctx, x, 0, 20)?;
        let bits = compare(ctx, &w, &[-3 << 10, 2 << 10], window)?;
        piecewise(ctx, &w, Some(&bits), &table, 64)
    });
    let want: Vec<f64> = real(&x, 10)
        .iter()
        .map(|v| {
            if *v < -3.0 {
                -1.0
            } else if *v < 2.0 {
                at(*v)
            } else {
                *v
            }
        })
        .collect();
    let near = |v: f64| (v + 3.0).abs() < 0.01 || (v - 2.0).abs() < 0.01;
    for ((y, w), v) in y.iter().zip(&want).zip(real(&x, 10)) {
        assert!((y - w).abs() < 1e-3 || near(v), "{v}: {y} for {w}");
    }
}

#[test]
fn reciprocal_and_inverse_square_root() {
    let world = World::new(6);
    let ranges = [(-1.0, 14, Octaves { lo: 8, hi: 20 }), (-0.5, 14, Octaves { lo: 12, hi: 38 })];
    // Few elements, and so many that the cubic is opened.
    for (n, (power, f, range)) in [600, 1500].into_iter().flat_map(|n| ranges.map(|r| (n, r))) {
        let mut rng = world.rng("values");
        let span = (range.hi - range.lo) as f64;
        let x: Vec<i64> =
            (0..n).map(|_| (range.lo as f64 + span * (rng.next_u32() as f64 / 4294967296.0)).exp2() as i64).collect();
        // The value is x / 2^lo.
        let gain = (range.lo as f64 * -power).exp2();
        let cost = open_cost(&[(n, 40)]) + inverse_cost(n, 40, power, gain, range, f).unwrap();
        let y = unary(&world, &x, 40, 0, cost, |ctx, x| {
            let w = open(ctx, x, 0, 40)?;
            inverse(ctx, &w, power, gain, range, f)
        });
        for (y, x) in y.iter().zip(&x) {
            let want = (*x as f64 / (range.lo as f64).exp2()).powf(power);
            assert!((y - want).abs() < 4e-4 * want + 1.0 / 16384.0, "{x}: {y} for {want}");
        }
    }
}

#[test]
fn maximum_of_rows() {
    let world = World::new(7);
    for (rows, cols) in [(33, 49), (5, 2), (4, 1), (3, 64), (2, 7), (300, 41)] {
        let n = rows * cols;
        let x = uniform(&world, "values", n, 1 << 13);
        for shift in [0, 1, 5] {
            let cost = maximum_cost(rows, cols) + open_cost(&[(rows, 24)]);
            let unit = if cols > 1 { f64::from(1 << shift) } else { 1.0 };
            let y = unary(&world, &x, 27, 3, cost, |ctx, x| {
                let found = maximum(ctx, x, 3, (rows, cols), shift)?;
                assert_eq!((found.x.n, found.x.k, found.x.f, found.top.n), (n, 24, 0, rows));
                // Polynomials x turn a wire into a share; within its ring they cost nothing.
                let one = polynomial(ctx, &found.top, &[0.0, 1.0], 0, 24)?;
                let w = open(ctx, &one, 0, 24)?;
                polynomial(ctx, &w, &[0.0, 1.0], 0, 24)
            });
            for r in 0..rows {
                let want = x[r * cols..(r + 1) * cols].iter().max().copied().unwrap() as f64 / 8.0;
                let found = y[r] * unit;
                let levels = (cols as f64).log2().ceil();
                let error = (found - want) / unit;
                assert!((-1.0 - levels - 1.0..=3.0).contains(&error), "{rows}x{cols} row {r}: {found} for {want}");
            }
        }
    }
}
