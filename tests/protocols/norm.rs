//! Group and layer normalisation against an `f64` reference.

use masque_engine::protocol::*;
use masque_engine::testing::{World, reconstruct, words};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// Largest relative error of the factor `gamma / sqrt(var + eps)`, besides the rounding of its fraction bits.
const RELATIVE: f64 = 3e-4;
/// Fraction bits of gamma.
const GAMMA: u32 = 12;

struct Case {
    name: &'static str,
    shape: NormShape,
    /// Standard deviation and mean of group `j` of an image.
    spread: fn(usize) -> (f64, f64),
    /// Whether the input comes as a wire.
    wire: bool,
}

fn shape(
    n: usize,
    positions: usize,
    channels: usize,
    groups: usize,
    eps: f64,
    variance: (i32, i32),
    f: u32,
) -> NormShape {
    NormShape::groups((n, positions, channels), groups, eps, variance, f)
}

fn cases() -> Vec<Case> {
    let case = |name, shape, spread| Case { name, shape, spread, wire: false };
    vec![
        case("groups", shape(2, 36, 32, 8, 1e-5, (-6, 6), 12), |j| (0.5 + j as f64 / 4.0, j as f64 - 3.0)),
        Case { wire: true, ..case("from a wire", shape(1, 16, 16, 4, 1e-5, (-6, 6), 12), |_| (1.0, 0.25)) },
        case("odd extents", shape(3, 49, 21, 3, 1e-5, (-6, 6), 10), |j| (0.7, 2.0 * j as f64)),
        case("a group of 40960", shape(1, 4096, 20, 2, 1e-6, (-6, 6), 12), |j| (1.0 + j as f64, 3.0)),
        case("rows of 320", NormShape::layer(37, 320, 1e-5, (-4, 8), 12), |_| (3.0, 1.0)),
        case("rows of 1", NormShape::layer(9, 1, 1e-5, (-6, 6), 12), |_| (1.0, 0.0)),
        case("rows of 6", NormShape::layer(50, 6, 1e-5, (-6, 6), 12), |_| (1.0, 0.0)),
        case("tiny variance", shape(1, 64, 8, 2, 1e-6, (-16, 0), 14), |j| (0.006 + 0.02 * j as f64, 0.5)),
        case("wide range", shape(1, 256, 64, 8, 1e-5, (-10, 12), 12), |j| ((1.4 * j as f64 - 4.5).exp2(), 1.0)),
        case("one group per channel", shape(2, 30, 6, 6, 1e-3, (-6, 6), 12), |j| (1.0, j as f64)),
        case("constant", shape(2, 25, 12, 3, 1e-5, (-12, 4), 12), |j| (0.0, j as f64 - 1.0)),
        case("noise of a unit", shape(2, 25, 12, 3, 1e-5, (-18, 4), 12), |j| (0.0002, j as f64 - 1.0)),
        case("far mean", shape(1, 100, 8, 2, 1e-5, (-4, 6), 12), |_| (1.0, 40.0)),
    ]
}

/// Nearly normal with variance 1.
fn normal(rng: &mut ChaCha20Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / 4294967296.0).sum::<f64>() - 6.0
}

/// Index of the group of element `i`, counted over all images.
fn group(s: &NormShape, i: usize) -> usize {
    let (image, channel) = (i / (s.positions * s.channels), i % s.channels);
    image * s.groups + channel / (s.channels / s.groups)
}

/// Mean and `1 / sqrt(var + eps)` of every group.
fn moments(s: &NormShape, x: &[f64]) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); s.n * s.groups];
    let len = s.group_len() as f64;
    x.iter().enumerate().for_each(|(i, v)| sums[group(s, i)].0 += v / len);
    x.iter().enumerate().for_each(|(i, v)| sums[group(s, i)].1 += (v - sums[group(s, i)].0).powi(2) / len);
    sums.iter().map(|(m, v)| (*m, 1.0 / (v + s.eps).sqrt())).collect()
}

/// A mean is opened once, in its values' ring, whatever the size of its group.
#[test]
fn rounds_do_not_depend_on_the_size_of_groups() {
    for channels in [1, 6, 63, 64, 320] {
        let shape = NormShape::layer(5, channels, 1e-5, (-12, 9), 12);
        assert_eq!(normalise_cost(&shape).unwrap().half_rounds, 17, "{channels}");
    }
}

#[test]
fn normalisation_by_groups_and_rows() {
    let world = World::new(20);
    for c in cases() {
        let s = &c.shape;
        let unit = f64::from(s.f).exp2();
        let mut rng = world.rng(c.name);
        let x: Vec<i64> = (0..s.n * s.positions * s.channels)
            .map(|i| {
                let (deviation, mean) = (c.spread)(group(s, i) % s.groups);
                ((mean + deviation * normal(&mut rng)) * unit).round() as i64
            })
            .collect();
        let gamma: Vec<f32> = (0..s.channels)
            .map(|_| ((1.0 + 0.3 * normal(&mut rng)) * f64::from(GAMMA).exp2()).round() as f32 / (1 << GAMMA) as f32)
            .collect();
        let beta: Vec<f64> = (0..s.channels).map(|_| normal(&mut rng)).collect();
        let out = world.run(|w, ctx| {
            let weight = s.affine_matrix(&gamma, GAMMA);
            let fixed = FixedWeights { weight, bias: None };
            let at_server = ctx.role == Role::Server;
            let weights = share_weights(ctx, &s.affine_layer(), 64, GAMMA, at_server.then_some(&fixed))?;
            let beta: Vec<i64> =
                beta.iter().map(|b| (b * f64::from(s.result_fraction()).exp2()).round() as i64).collect();
            let beta = if at_server { Some(ctx.rec.upload_slice(&beta)?) } else { None };
            let x = w.share(ctx, "x", &x, s.k, s.f)?;
            let wire = if c.wire { Some(open(ctx, &x, 0, s.k)?) } else { None };
            let before = ctx.cost();
            let (y, wire) = normalise(ctx, &x, wire.as_ref(), s, &weights, beta.as_ref())?;
            assert_eq!((wire.n, wire.k, wire.f), (x.n, s.k, s.f), "{}", c.name);
            Ok((words(ctx, &y)?, y.k, y.f, ctx.cost() - before))
        });
        let (words, k, f, cost) = &out.client;
        let mut declared = normalise_cost(s).unwrap();
        if c.wire {
            // The input's opening is not part of it; that of the sums still is a round.
            declared = declared - Cost { half_rounds: 0, ..open_cost(&[(x.len(), s.k)]) };
        }
        assert_eq!(*cost, declared, "{}: declared cost", c.name);
        assert_eq!((*k, *f), (s.k, s.result_fraction()), "{}: format", c.name);
        let y = reconstruct(words, &out.server.0, *k);
        let real: Vec<f64> = x.iter().map(|v| *v as f64 / unit).collect();
        let moments = moments(s, &real);
        let mut error = 0f64;
        for (i, y) in y.iter().enumerate() {
            let (mean, factor) = moments[group(s, i)];
            let (g, b) = (f64::from(gamma[i % s.channels]), beta[i % s.channels]);
            let y = *y as f64 / f64::from(*f).exp2();
            let want = (real[i] - mean) * factor * g + b;
            let rounding = (1.0 + g.abs()) / f64::from(factor_fraction(s.variance)).exp2();
            let bound =
                RELATIVE * (want - b).abs() + (real[i] - mean).abs() * rounding + factor * g.abs() / unit + 1e-5;
            error = error.max((y - want).abs() / bound);
            assert!((y - want).abs() <= bound, "{}: element {i}: {y} for {want} +- {bound}", c.name);
        }
        println!(
            "{}: ring {}, {} bytes each way an element, largest error {error:.2} of the bound",
            c.name,
            s.k,
            declared.to_client as f64 / x.len() as f64
        );
    }
}
