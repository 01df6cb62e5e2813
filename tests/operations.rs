//! Single operations in graphs of a few nodes: their shape rules, plaintext against a plain computation in `f64`, shares
//! against plaintext.

use std::collections::HashMap;
use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::{Input, Plain, Plan, PlanConfig, Secure};
use masque_engine::graph::{
    Graph, GraphBuilder, GraphError, Id, Tensor, Visibility, WeightError, WeightStore, elements,
};
use masque_engine::protocol::{self, Role, RowMaximum};
use masque_engine::testing::{World, reconstruct, words};

/// Largest error of plaintext, for values of size 1.
const PLAIN: f64 = 2e-6;
/// Of shares with 11 fraction bits, for values of size 1.
const SHARED: f64 = 0.004;

const N: usize = 2;
const T: usize = 5;
const C: usize = 12;

/// Numbers in [-1, 1).
fn draw(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e3779b97f4a7c15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Weights drawn by name, positive ones where a name ends in `weight`.
struct Drawn(HashMap<String, Vec<usize>>);

impl WeightStore for Drawn {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        let shape = self.0[name].clone();
        Ok(Tensor { data: draw(elements(&shape), name.len() as u64), shape })
    }

    fn digest(&self) -> [u8; 32] {
        [0; 32]
    }
}

fn weights(graph: &Graph) -> Arc<Drawn> {
    Arc::new(Drawn(graph.weights().into_iter().map(|w| (w.name, w.shape)).collect()))
}

fn weight(graph: &Graph, name: &str) -> Vec<f64> {
    weights(graph).tensor(name).unwrap().data.into_iter().map(f64::from).collect()
}

type Inputs<'a> = &'a [(&'a str, Vec<f32>)];

fn plain(world: &World, graph: &Arc<Graph>, approx: Approx, inputs: Inputs) -> Vec<f64> {
    let given: Vec<(&str, &[f32])> = inputs.iter().map(|(n, x)| (*n, x.as_slice())).collect();
    let out = Plain::new(world.gpu(), graph.clone(), weights(graph), approx).run(&given).unwrap();
    out.into_iter().map(f64::from).collect()
}

/// On shares; indices become one-hot rows.
fn shared(world: &World, graph: &Arc<Graph>, approx: Approx, inputs: Inputs) -> Vec<f64> {
    let out = world.run_into(|w, ctx| {
        let plan = Plan::new(graph, PlanConfig { approx, ..PlanConfig::default() }).unwrap();
        let store = (ctx.role == Role::Server).then(|| weights(graph) as Arc<dyn WeightStore>);
        let mut s = Secure::new(ctx, graph.clone(), plan, store).unwrap();
        evaluate(w, &mut s, inputs)
    });
    opened([&out[0], &out[1]])
}

/// A share's words, ring and fraction bits.
type Words = (Vec<u64>, u32, u32);

/// One evaluation of the selected network.
fn evaluate(w: &World, s: &mut Secure, inputs: Inputs) -> Result<Words, protocol::Error> {
    let graph = s.graph.clone();
    s.begin();
    let mut given = Vec::new();
    for (name, x) in inputs {
        let id = graph.input(name).unwrap();
        let format = s.format(id.index());
        let fixed = |v: f64| (v * f64::from(format.f).exp2()).round() as i64;
        let rows = |entries: usize, v: &f32| (0..entries).map(|e| i64::from(e == *v as usize)).collect();
        let of = |v: &f32| -> Vec<i64> {
            graph.node(id).op.entries().map_or_else(|| vec![fixed((*v).into())], |entries| rows(entries, v))
        };
        let fixed: Vec<i64> = x.iter().flat_map(of).collect();
        given.push((*name, Input::Shared(w.share(&mut s.ctx, name, &fixed, format.k, format.f)?)));
    }
    let y = s.forward(&given).unwrap();
    assert!(y.k >= s.format(graph.output.index()).k && y.f == s.format(graph.output.index()).f);
    let out = words(&mut s.ctx, &y)?;
    s.ctx.finish()?;
    Ok((out, y.k, y.f))
}

fn opened([client, server]: [&Words; 2]) -> Vec<f64> {
    let unit = f64::from(client.2).exp2();
    reconstruct(&client.0, &server.0, client.1).iter().map(|y| *y as f64 / unit).collect()
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    println!("{what}: {worst:e}");
    assert!(worst <= tolerance, "{what}: {worst:e}");
}

/// Plaintext against `want`, and shares against plaintext with the same functions.
fn check(graph: Graph, inputs: Inputs, want: &[f64], tolerance: f64) {
    let (world, graph) = (World::new(11), Arc::new(graph));
    let name = graph.name.clone();
    close(&format!("{name} in plaintext"), &plain(&world, &graph, Approx::Exact, inputs), want, PLAIN);
    let approximated = plain(&world, &graph, Approx::Loose, inputs);
    let got = shared(&world, &graph, Approx::Loose, inputs);
    close(&format!("{name} on shares"), &got, &approximated, tolerance);
}

/// A graph of one secret input `[N, T, C]` and what `build` makes of it.
fn unary(name: &str, build: impl Fn(&mut GraphBuilder, Id) -> Result<Id, GraphError>) -> Result<Graph, GraphError> {
    let mut g = GraphBuilder::new(name);
    let x = g.input("x", &[N, T, C], Visibility::Secret)?;
    let y = build(&mut g, x)?;
    Ok(g.finish(y))
}

fn input() -> Vec<(&'static str, Vec<f32>)> {
    vec![("x", draw(N * T * C, 3))]
}

fn reals(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// The layer normalisation `norm` of a graph, in `f64`.
fn normalised(graph: &Graph, x: &[f64]) -> Vec<f64> {
    let (gamma, beta) = (weight(graph, "norm.weight"), weight(graph, "norm.bias"));
    let mut want = Vec::new();
    for row in x.chunks(C) {
        let mean = row.iter().sum::<f64>() / C as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / C as f64;
        want.extend((0..C).map(|i| (row[i] - mean) / (variance + 1e-5).sqrt() * gamma[i] + beta[i]));
    }
    want
}

#[test]
fn layer_norm() {
    let graph = unary("layer_norm", |g, x| g.layer_norm("norm", x, 1e-5)).unwrap();
    let want = normalised(&graph, &reals(&input()[0].1));
    check(graph, &input(), &want, SHARED);
}

#[test]
fn multiply() {
    let graph = unary("multiply", |g, x| {
        let a = g.slice("a", x, 2, 7)?;
        let b = g.slice("b", x, 5, 7)?;
        g.multiply("product", a, b)
    });
    let x = reals(&input()[0].1);
    let want: Vec<f64> = x.chunks(C).flat_map(|r| (0..7).map(|i| r[2 + i] * r[5 + i])).collect();
    check(graph.unwrap(), &input(), &want, SHARED);
}

#[test]
fn slice() {
    let graph = unary("slice", |g, x| g.slice("part", x, 4, 3)).unwrap();
    let want: Vec<f64> = reals(&input()[0].1).chunks(C).flat_map(|r| r[4..7].to_vec()).collect();
    check(graph, &input(), &want, SHARED);
}

#[test]
fn scale() {
    for factor in [-0.37, 5.5] {
        let graph = unary("scale", |g, x| g.scale("scaled", x, factor)).unwrap();
        let want: Vec<f64> = reals(&input()[0].1).iter().map(|x| x * f64::from(factor)).collect();
        check(graph, &input(), &want, SHARED);
    }
}

#[test]
fn position() {
    let graph = unary("position", |g, x| g.position_embedding("table", x, 9)).unwrap();
    let (table, x) = (weight(&graph, "table.weight"), reals(&input()[0].1));
    let want: Vec<f64> = x.iter().enumerate().map(|(i, x)| x + table[i % (T * C)]).collect();
    check(graph, &input(), &want, SHARED);
}

#[test]
fn embedding() {
    const ENTRIES: usize = 23;
    let mut g = GraphBuilder::new("embedding");
    let x = g.indices("x", &[N, T], ENTRIES).unwrap();
    let y = g.token_embedding("table", x, ENTRIES, C).unwrap();
    let graph = g.finish(y);
    let index: Vec<f32> = (0..N * T).map(|i| ((7 * i + 3) % ENTRIES) as f32).collect();
    let table = weight(&graph, "table.weight");
    let want: Vec<f64> = index.iter().flat_map(|i| table[*i as usize * C..][..C].to_vec()).collect();
    check(graph, &[("x", index)], &want, SHARED);
}

/// Attention in `f64`.
fn attended(q: &[f64], kv: &[f64], keys: usize, heads: usize, causal: bool) -> Vec<f64> {
    let d = C / heads;
    let mut out = vec![0.0; q.len()];
    for (row, z) in q.chunks(C).enumerate().flat_map(|(i, _)| (0..heads).map(move |h| (i, h))) {
        let (image, query) = (row / T, row % T);
        let at = |token: usize| (image * keys + token) * C + z * d;
        let visible = if causal { query + 1 } else { keys };
        let logit = |j: usize| (0..d).map(|i| q[row * C + z * d + i] * kv[at(j) + i]).sum::<f64>() / (d as f64).sqrt();
        let e: Vec<f64> = (0..visible).map(|j| logit(j).exp()).collect();
        for i in 0..d {
            let sum: f64 = (0..visible).map(|j| e[j] * kv[at(j) + i]).sum();
            out[row * C + z * d + i] = sum / e.iter().sum::<f64>();
        }
    }
    out
}

/// `x W^T` for a layer of the graph without bias.
fn linear(graph: &Graph, path: &str, x: &[f64]) -> Vec<f64> {
    let w = weight(graph, &format!("{path}.weight"));
    let dot = |row: &[f64], w: &[f64]| row.iter().zip(w).map(|(x, w)| x * w).sum();
    x.chunks(C).flat_map(|row| w.chunks(C).map(move |w| dot(row, w))).collect()
}

#[test]
fn causal_attention() {
    let graph = unary("causal_attention", |g, x| {
        let x = g.layer_norm("norm", x, 1e-5)?;
        let q = g.linear("query", x, C, false)?;
        let kv = g.linear("kv", x, C, false)?;
        g.causal_attention("core", q, kv, kv, 3)
    });
    let graph = graph.unwrap();
    let x = normalised(&graph, &reals(&input()[0].1));
    let (q, kv) = (linear(&graph, "query", &x), linear(&graph, "kv", &x));
    check(graph, &input(), &attended(&q, &kv, T, 3, true), SHARED);
}

#[test]
fn roles_agree_on_maxima_and_tiles() {
    let graph = unary("attention", |g, x| {
        let x = g.layer_norm("norm", x, 1e-5)?;
        g.attention("core", x, x, x, 2)
    });
    let graph = graph.unwrap();
    let fingerprint = |config: PlanConfig| Plan::new(&graph, config).unwrap().fingerprint(&graph);
    let usual = fingerprint(PlanConfig::default());
    assert_eq!(usual, fingerprint(PlanConfig::default()));
    assert_ne!(usual, fingerprint(PlanConfig { maximum: RowMaximum::Revealed, ..PlanConfig::default() }));
    assert_ne!(usual, fingerprint(PlanConfig { tile: 64, ..PlanConfig::default() }));
}

#[test]
fn attention_to_other_tokens() {
    const KEYS: usize = 7;
    let mut g = GraphBuilder::new("cross_attention");
    let x = g.input("x", &[N, T, C], Visibility::Secret).unwrap();
    let y = g.input("y", &[N, KEYS, C], Visibility::Secret).unwrap();
    let x = g.layer_norm("norm", x, 1e-5).unwrap();
    let q = g.linear("query", x, C, false).unwrap();
    let kv = g.linear("kv", y, C, false).unwrap();
    let z = g.attention("core", q, kv, kv, 2).unwrap();
    let graph = g.finish(z);
    let core = graph.node(z);
    assert_eq!((graph.macs(core), graph.nonlinear(core)), ((2 * N * T * KEYS * C) as u64, (N * 2 * T * KEYS) as u64));
    let y = draw(N * KEYS * C, 5);
    let (q, kv) =
        (linear(&graph, "query", &normalised(&graph, &reals(&input()[0].1))), linear(&graph, "kv", &reals(&y)));
    let want = attended(&q, &kv, KEYS, 2, false);
    check(graph, &[input().remove(0), ("y", y)], &want, SHARED);
}

#[test]
fn more_queries_than_one_pass_takes() {
    const QUERIES: usize = 8200;
    const KEYS: usize = 4100;
    let mut g = GraphBuilder::new("long_attention");
    let x = g.input("x", &[1, QUERIES, 4], Visibility::Secret).unwrap();
    let y = g.input("y", &[1, KEYS, 4], Visibility::Secret).unwrap();
    let z = g.attention("core", x, y, y, 1).unwrap();
    let graph = Arc::new(g.finish(z));
    let (x, y) = (draw(QUERIES * 4, 1), draw(KEYS * 4, 2));
    let got = plain(&World::new(11), &graph, Approx::Exact, &[("x", x.clone()), ("y", y.clone())]);
    let (x, y) = (reals(&x), reals(&y));
    for query in [0, 1, 4091, 4092, 4095, 8191, QUERIES - 1] {
        let q = &x[4 * query..][..4];
        let e = |k: &[f64]| (q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>() / 2.0).exp();
        let sum: f64 = y.chunks(4).map(e).sum();
        let want: Vec<f64> = (0..4).map(|i| y.chunks(4).map(|k| e(k) * k[i]).sum::<f64>() / sum).collect();
        close(&format!("query {query}"), &got[4 * query..][..4], &want, PLAIN);
    }
}

/// Weights are distributed once for all numbers of samples, and again where the plan wants them otherwise.
#[test]
fn networks_of_other_sizes() {
    let graph = |n: usize| {
        let mut g = GraphBuilder::new("resized");
        let x = g.input("x", &[n, T, C], Visibility::Secret).unwrap();
        let x = g.position_embedding("table", x, T).unwrap();
        let x = g.layer_norm("norm", x, 1e-5).unwrap();
        let y = g.linear("layer", x, 7, true).unwrap();
        Arc::new(g.finish(y))
    };
    let usual = PlanConfig::default();
    let finer = PlanConfig { weight: usual.weight + 1, ..usual.clone() };
    let sizes = [(2, &usual, true), (3, &usual, false), (1, &usual, false), (2, &finer, true)];
    let inputs = |n: usize| [("x", draw(n * T * C, n as u64))];
    let world = World::new(17);
    let out = world.run_into(|w, ctx| {
        let (mut session, mut ctx, mut results) = (None::<Secure>, Some(ctx), vec![]);
        for (n, config, distributed) in sizes {
            let (graph, plan) = (graph(n), Plan::new(&graph(n), config.clone()).unwrap());
            let before = session.as_ref().map_or(0, |s| s.ctx.cost().to_client);
            match (&mut session, ctx.take()) {
                (Some(s), _) => s.resize(graph, plan).unwrap(),
                (None, ctx) => {
                    let ctx = ctx.expect("the first size");
                    let store = (ctx.role == Role::Server).then(|| weights(&graph) as Arc<dyn WeightStore>);
                    session = Some(Secure::new(ctx, graph, plan, store).unwrap());
                }
            }
            let s = session.as_mut().expect("started");
            // The dealer counts what it sends only.
            assert_eq!(s.ctx.cost().to_client > before, distributed && s.ctx.is_party(), "{n} samples");
            results.push(evaluate(w, s, &inputs(n))?);
        }
        Ok(results)
    });
    for (i, (n, ..)) in sizes.iter().enumerate() {
        let want = plain(&world, &graph(*n), Approx::Exact, &inputs(*n));
        close(&format!("{n} samples"), &opened([&out[0][i], &out[1][i]]), &want, SHARED);
    }
}

#[test]
fn misfits_are_named() {
    let message = |build: &dyn Fn(&mut GraphBuilder, Id) -> Result<Id, GraphError>| {
        unary("misfit", build).unwrap_err().to_string()
    };
    let m = message(&|g, x| g.slice("part", x, 8, 5));
    assert!(m.contains("part (slice)") && m.contains("13 channels"), "{m}");
    let m = message(&|g, x| {
        let y = g.slice("y", x, 0, 4)?;
        g.multiply("product", x, y)
    });
    assert!(m.contains("product (multiply): shapes differ"), "{m}");
    let m = message(&|g, x| g.position_embedding("table", x, T - 1));
    assert!(m.contains("at most 4"), "{m}");
    let m = message(&|g, x| g.token_embedding("table", x, 3, 3));
    assert!(m.contains("indices"), "{m}");
    let m = message(&|g, x| g.scale("scaled", x, f32::NAN));
    assert!(m.contains("NaN"), "{m}");
    let m = message(&|g, x| {
        let y = g.input("y", &[N, T + 1, C], Visibility::Secret)?;
        g.causal_attention("core", x, y, y, 1)
    });
    assert!(m.contains("as many queries as keys"), "{m}");
}
