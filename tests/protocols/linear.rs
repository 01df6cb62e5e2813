//! Products of secret matrices and layers with the server's weights: exact, with their cost.

use masque_engine::kernels::{ConvShape, Strided};
use masque_engine::protocol::{
    Cost, FixedWeights, Layer, MatmulShape, Role, Source, linear, linear_cost, matmul, matmul_cost, open_all,
    open_cost, packed_bytes, share_source, share_weights,
};
use masque_engine::reference;
use masque_engine::testing::{World, reconstruct, signed, words};

use super::uniform;

fn words_of(x: &[i64]) -> Vec<u64> {
    x.iter().map(|v| *v as u64).collect()
}

/// Shares of a product of masked wires in rings `ka` and `kb` against the reference.
fn product(world: &World, name: &str, s: &MatmulShape, (la, lb): (usize, usize), (ka, kb): (u32, u32)) {
    let (a, b) = (uniform(world, "a", la, 1 << 15), uniform(world, "b", lb, 1 << 15));
    let k = ka.min(kb);
    let out = world.run(|w, ctx| {
        let x = w.share(ctx, "x", &a, ka, 9)?;
        let y = w.share(ctx, "y", &b, kb, 7)?;
        let wires = open_all(ctx, &[(&x, 0, ka), (&y, 0, kb)])?;
        let z = matmul(ctx, &wires[0], &wires[1], s)?;
        assert_eq!((z.k, z.f), (k, 16));
        words(ctx, &z)
    });
    assert_eq!(out.cost, open_cost(&[(la, ka), (lb, kb)]) + matmul_cost(s, k), "{name}: declared cost");
    let z = reconstruct(&out.client, &out.server, k);
    let want = reference::matmul::matmul(0, (&words_of(&a), &s.a), (&words_of(&b), &s.b), None, (s.m, s.k, s.n));
    let mut want = want.iter();
    for batch in 0..s.a.batches {
        for row in 0..s.m {
            for col in 0..s.n {
                let at = reference::matmul::position(&s.out, batch, row, col);
                let want = signed(*want.next().unwrap(), k);
                assert_eq!(z[at], want, "{name}: batch {batch} row {row} column {col}");
            }
        }
    }
}

#[test]
fn products_of_masked_matrices() {
    let world = World::new(40);
    let plain = |m, k, n| MatmulShape { a: Strided::rows(k), b: Strided::rows(n), out: Strided::rows(n), m, k, n };
    for (m, k, n) in [(1, 1, 1), (3, 5, 7), (16, 32, 24), (33, 20, 65)] {
        product(&world, "plain", &plain(m, k, n), (m * k, k * n), (44, 44));
    }
    product(&world, "of two rings", &plain(9, 12, 10), (9 * 12, 12 * 10), (44, 64));
    let (batches, m, k, n) = (5, 6, 9, 4);
    let batched = MatmulShape {
        a: Strided::batched(batches, m * k, k),
        b: Strided::batched(batches, k * n, n),
        out: Strided::batched(batches, m * n, n),
        ..plain(m, k, n)
    };
    product(&world, "batched", &batched, (batches * m * k, batches * k * n), (48, 48));
    let transposed = MatmulShape { b: Strided::rows(13).transposed(), ..plain(11, 13, 10) };
    product(&world, "transposed", &transposed, (11 * 13, 10 * 13), (48, 48));
}

#[test]
fn products_of_heads() {
    let world = World::new(41);
    // Attention of two images with three heads: logits as [n, queries, heads, keys], values as [n, queries, heads * width].
    for (n, heads, queries, keys, width) in [(2, 3, 10, 7, 8), (1, 4, 16, 16, 12), (2, 1, 5, 9, 3)] {
        let row = heads * width;
        let scores = Strided {
            batches: n * heads,
            inner: heads,
            outer_stride: queries * heads * keys,
            inner_stride: keys,
            row_stride: heads * keys,
            col_stride: 1,
            offset: 0,
        };
        let (q, kv) = (Strided::heads(n, heads, queries, row), Strided::heads(n, heads, keys, row));
        let logits = MatmulShape { a: q, b: kv.transposed(), out: scores, m: queries, k: width, n: keys };
        product(&world, "logits", &logits, (n * queries * row, n * keys * row), (40, 40));
        let values = MatmulShape { a: scores, b: kv, out: q, m: queries, k: keys, n: width };
        product(&world, "values", &values, (n * queries * heads * keys, n * keys * row), (40, 40));
    }
}

/// A layer with the server's weights against a reference for words; twice, as weights are shared once for many uses.
fn layer(world: &World, layer: &Layer, k: u32, bias: bool, want: impl Fn(&[u64], &[u64], Option<&[u64]>) -> Vec<u64>) {
    let (n, bound) = (layer.input_len(), 1 << 14);
    let x = [uniform(world, "x", n, bound), uniform(world, "other x", n, bound)];
    let w = uniform(world, "w", layer.weight_len(), 1 << 12);
    let b = bias.then(|| uniform(world, "b", layer.outputs(), 1 << 20));
    let out = world.run(|world, ctx| {
        let fixed = FixedWeights { weight: w.clone(), bias: b.clone() };
        let weights = share_weights(ctx, layer, k, 12, (ctx.role == Role::Server).then_some(&fixed))?;
        let mut all = vec![];
        for (i, x) in x.iter().enumerate() {
            let x = world.share(ctx, &format!("x{i}"), x, 64, 10)?;
            let y = linear(ctx, &x, layer, &weights)?;
            assert_eq!((y.n, y.k, y.f), (layer.output_len(), k, 22));
            all.push(words(ctx, &y)?);
        }
        Ok(all)
    });
    let messages = w.len().div_ceil(1 << 24) as u64;
    let setup = Cost { to_client: packed_bytes(w.len(), k), half_rounds: messages, ..Cost::default() };
    assert_eq!(out.cost, setup + linear_cost(layer, k) + linear_cost(layer, k), "{layer:?}: declared cost");
    for (i, x) in x.iter().enumerate() {
        let y = reconstruct(&out.client[i], &out.server[i], k);
        let want = want(&words_of(x), &words_of(&w), b.as_deref().map(words_of).as_deref());
        let want: Vec<i64> = want.iter().map(|v| signed(*v, k)).collect();
        assert_eq!(y, want, "{layer:?}");
    }
}

#[test]
fn dense_layers() {
    let world = World::new(42);
    for (rows, inputs, outputs, k, bias) in
        [(19, 24, 10, 52, true), (1, 1, 1, 40, false), (7, 33, 65, 44, false), (4, 16, 8, 64, true)]
    {
        for transposed in [false, true] {
            let dense = Layer::Dense { rows, inputs, outputs, transposed };
            let columns = if transposed { Strided::rows(outputs) } else { Strided::rows(inputs).transposed() };
            layer(&world, &dense, k, bias, |x, w, b| {
                reference::matmul::matmul(0, (x, &Strided::rows(inputs)), (w, &columns), b, (rows, inputs, outputs))
            });
        }
    }
}

/// Shares of what some layers give one after another, when weights may keep so many bytes; how much they keep, and the most
/// memory at the client.
fn held(weights: u64, layers: &[(Layer, u32)]) -> (Vec<[Vec<u64>; 2]>, u64, u64) {
    let world = World::holding(58, weights);
    let out = world.run(|world, ctx| {
        let mut shared = vec![];
        for (i, (layer, k)) in layers.iter().enumerate() {
            let fixed = [(layer.weight_len(), "w"), (layer.outputs(), "b")];
            let [weight, bias] = fixed.map(|(n, label)| uniform(world, &format!("{label}{i}"), n, 1 << 12));
            let read = move || Ok(FixedWeights { weight: weight.clone(), bias: Some(bias.clone()) });
            let source: Option<Source> = if ctx.role == Role::Server { Some(Box::new(read)) } else { None };
            shared.push(share_source(ctx, layer, *k, 12, source)?);
        }
        ctx.finish()?;
        let kept = world.gpu().weights_held();
        let mut all = vec![];
        for _ in 0..2 {
            for (i, (layer, _)) in layers.iter().enumerate() {
                let x = uniform(world, &format!("x{i}"), layer.input_len(), 1 << 14);
                let x = world.share(ctx, &format!("x{i}"), &x, 64, 10)?;
                let y = linear(ctx, &x, layer, &shared[i])?;
                all.push(words(ctx, &y)?);
            }
        }
        Ok((all, kept, ctx.rec.peak_bytes()))
    });
    let shares = out.client.0.into_iter().zip(out.server.0).map(|(a, b)| [a, b]).collect();
    assert_eq!(world.gpu().weights_held(), 0, "what is dropped is given back");
    (shares, out.client.1.max(out.server.1), out.client.2)
}

#[test]
fn weights_beyond_the_budget_are_uploaded_again() {
    let conv = ConvShape { n: 1, h: 5, w: 5, c: 8, kernel: 3, stride: 1, pad: 1, pad_after: 1, outputs: 12 };
    let dense = |inputs, outputs| Layer::Dense { rows: 3, inputs, outputs, transposed: outputs > 1000 };
    // What the client keeps ready, as messages, and in whole words; and several of a size, for the memory.
    let mut layers =
        vec![(dense(24, 10), 52), (Layer::Conv(conv), 48), (dense(1100, 1000), 48), (dense(1000, 1100), 60)];
    layers.extend(std::iter::repeat_n((dense(1000, 1000), 48), 3));
    let (all, everything, most) = held(u64::MAX, &layers);
    let (none, nothing, least) = held(0, &layers);
    let budget = everything / 2;
    let (some, half, _) = held(budget, &layers);
    assert!(all == none && all == some, "results depend on the budget");
    assert_eq!(nothing, 0);
    assert!(0 < half && half <= budget, "{half} of {budget} bytes are kept");
    let (words, saved) = (8 * 1000 * 1000, most.saturating_sub(least));
    assert!(saved > 2 * words, "{most} bytes at most, {least} without weights that stay");
}

#[test]
fn masks_of_large_layers_are_drawn_again() {
    let world = World::new(45);
    // Beyond what the dealer keeps; beyond what a kernel sees of a buffer.
    for (rows, inputs, outputs) in [(3, 1100, 1000), (2, 4100, 4100)] {
        let dense = Layer::Dense { rows, inputs, outputs, transposed: false };
        let columns = Strided::rows(inputs).transposed();
        layer(&world, &dense, 48, true, |x, w, b| {
            reference::matmul::matmul(0, (x, &Strided::rows(inputs)), (w, &columns), b, (rows, inputs, outputs))
        });
    }
}

#[test]
fn convolutions() {
    let world = World::new(43);
    let conv = |n, (h, w), c, kernel, stride, (pad, pad_after), outputs| ConvShape {
        n,
        h,
        w,
        c,
        kernel,
        stride,
        pad,
        pad_after,
        outputs,
    };
    for (shape, bias) in [
        (conv(2, (5, 7), 6, 1, 1, (0, 0), 9), true),
        (conv(1, (8, 8), 4, 3, 1, (1, 1), 12), true),
        (conv(2, (9, 6), 5, 3, 2, (1, 1), 7), false),
        (conv(1, (8, 8), 8, 3, 2, (0, 1), 8), true),
        (conv(1, (5, 5), 3, 3, 1, (0, 0), 4), false),
        (conv(2, (7, 4), 1, 2, 2, (1, 0), 3), true),
        (conv(1, (3, 3), 2, 5, 1, (2, 2), 5), false),
    ] {
        layer(&world, &Layer::Conv(shape), 48, bias, |x, w, b| reference::conv2d::conv2d(0, x, w, b, &shape));
    }
}
