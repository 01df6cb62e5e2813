//! Attention a tile at a time: values against plain arithmetic, the result against other tiles', cost.

use masque_engine::approx::Approx;
use masque_engine::protocol::{
    AttentionShape, Error, RowMaximum, SoftmaxSpec, attention, attention_cost, open_all, open_cost,
};
use masque_engine::testing::{World, reconstruct, words};

use super::{real, uniform, worst};

/// Ring and fraction bits of the operands, as a network's.
const FORMAT: (u32, u32) = (44, 11);
/// Largest error against plain arithmetic for values below 1, whose logits stay clear of the exponential's cut-off: two units
/// of the result, and the exponential's (3e-3 of a weight).
const BOUND: f64 = 3e-3;
/// Two results that differ in their masks only: each is rounded up or down in weights, sums and result.
const ROUNDING: f64 = 3e-3;

/// One attention on shares; checks its cost.
fn on_shares(world: &World, values: &[Vec<i64>; 3], shape: &AttentionShape, top: RowMaximum) -> Vec<f64> {
    let (k, f) = FORMAT;
    let spec = SoftmaxSpec { scale: (shape.width as f64).sqrt().recip(), approx: Approx::Loose };
    let out = world.run(|w, ctx| {
        let q = w.share(ctx, "shared q", &values[0], k, f)?;
        let keys = w.share(ctx, "shared k", &values[1], k, f)?;
        let v = w.share(ctx, "shared v", &values[2], k, f)?;
        let wires = open_all(ctx, &[(&q, 0, k), (&keys, 0, k), (&v, 0, k)])?;
        let y = attention(ctx, &wires[0], &wires[1], &wires[2], shape, (&spec, top))?;
        Ok((words(ctx, &y)?, y.k, y.f))
    });
    let opened = open_cost(&[(values[0].len(), k), (values[1].len(), k), (values[2].len(), k)]);
    assert_eq!(out.cost, opened + attention_cost(FORMAT, shape, (&spec, top)).unwrap(), "{shape:?} {top:?}");
    let (client, k, f) = out.client;
    assert_eq!(client.len(), values[0].len());
    real(&reconstruct(&client, &out.server.0, k), f)
}

/// The same in `f64`, with the same exponential.
fn plainly(values: &[Vec<i64>; 3], s: &AttentionShape) -> Vec<f64> {
    let [q, k, v] = values.each_ref().map(|x| real(x, FORMAT.1));
    let width = s.heads * s.width;
    let mut out = vec![0.0; q.len()];
    for (image, head) in (0..s.n).flat_map(|i| (0..s.heads).map(move |h| (i, h))) {
        let at = |tokens: usize, token: usize| (image * tokens + token) * width + head * s.width;
        for query in 0..s.queries {
            let seen = if s.causal { query + 1 } else { s.keys };
            let dot = |key: usize| {
                (0..s.width).map(|c| q[at(s.queries, query) + c] * k[at(s.keys, key) + c]).sum::<f64>()
                    / (s.width as f64).sqrt()
            };
            let logits: Vec<f64> = (0..seen).map(dot).collect();
            let top = logits.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = logits.iter().map(|x| Approx::Loose.exp(x - top)).collect();
            let sum: f64 = weights.iter().sum();
            for c in 0..s.width {
                out[at(s.queries, query) + c] =
                    weights.iter().enumerate().map(|(key, w)| w * v[at(s.keys, key) + c]).sum::<f64>() / sum;
            }
        }
    }
    out
}

/// Queries, keys and values below 1 in size.
fn draw(world: &World, s: &AttentionShape) -> [Vec<i64>; 3] {
    let width = s.heads * s.width;
    [("q", s.queries), ("k", s.keys), ("v", s.keys)].map(|(label, t)| uniform(world, label, s.n * t * width, 2047))
}

fn compare(world: &World, whole: AttentionShape, tiles: &[usize], tops: &[RowMaximum]) {
    let values = draw(world, &whole);
    let want = plainly(&values, &whole);
    for top in tops {
        let reference = on_shares(world, &values, &whole, *top);
        let error = worst(&reference, &want);
        println!("{whole:?} {top:?}: largest error {error:.1e}");
        assert!(error < BOUND, "{whole:?} {top:?}: {error}");
        for tile in tiles {
            let shape = AttentionShape { tile: *tile, ..whole };
            let got = on_shares(world, &values, &shape, *top);
            let (error, change) = (worst(&got, &want), worst(&got, &reference));
            println!("  {tile} scores a tile: largest error {error:.1e}, change {change:.1e}");
            assert!(error < BOUND && change < ROUNDING, "{shape:?} {top:?}: error {error}, change {change}");
        }
    }
}

#[test]
fn tiles_change_nothing_but_rounding() {
    let world = World::new(61);
    let whole = AttentionShape { n: 3, heads: 3, queries: 20, keys: 13, width: 5, causal: false, tile: usize::MAX };
    // Two images at a time; two heads of an image; whole groups of eight rows; five rows.
    compare(&world, whole, &[1600, 520, 240, 65], &[RowMaximum::Secure, RowMaximum::Revealed]);
}

#[test]
fn causal_tiles_know_their_rows() {
    let world = World::new(62);
    let whole = AttentionShape { n: 1, heads: 2, queries: 11, keys: 11, width: 8, causal: true, tile: usize::MAX };
    compare(&world, whole, &[121, 40, 1], &[RowMaximum::Secure]);
}

#[test]
fn too_many_tiles_are_an_error() {
    let world = World::new(63);
    let shape = AttentionShape { n: 1, heads: 1, queries: 1 << 16, keys: 1, width: 1, causal: false, tile: 1 };
    let values = vec![0i64; 1 << 16];
    let spec = SoftmaxSpec { scale: 1.0, approx: Approx::Loose };
    let failed = world.try_run(|w, ctx| {
        let x = w.share(ctx, "x", &values[..1], 44, 11)?;
        let wires = open_all(ctx, &[(&x, 0, 44)])?;
        attention(ctx, &wires[0], &wires[0], &wires[0], &shape, (&spec, RowMaximum::Secure))
    });
    for role in failed {
        assert!(matches!(role, Err(Error::Range(e)) if e.contains("larger")));
    }
}
