//! `harness bench step`: its figures against the protocols' formulas, and what it says about flags that cannot work.
//!
//! What belongs here: real processes on the smallest networks. Single operations and costs of whole models are tested
//! elsewhere.

mod common;

use std::collections::HashMap;
use std::fs;

use common::{Place, asset};
use harness::bench::modules::example;
use harness::bench::step::{LARGEST_ERROR, Report, Row};
use masque_engine::approx::Approx;
use masque_engine::exec::{NARROW, Plan};
use masque_engine::graph::{Graph, Node, Visibility, elements};
use masque_engine::protocol::{
    AttentionShape, Cost, RowMaximum, SoftmaxSpec, attention_cost, lift_cost, open_cost, packed_bytes,
};
use masque_models::{Extents, networks};
use serde_json::Value;

/// `harness bench step` on a fixture: what it prints and writes.
fn step(place: &Place, fixture: &str, flags: &[&str]) -> (String, Report, String) {
    let model = asset(&format!("fixtures/{fixture}")).display().to_string();
    let files = ["--json", "step.json", "--csv", "step.csv"];
    let end = place.start(&[&["bench", "step", "--model", &model], flags, &files].concat()).end();
    assert_eq!(end.code, Some(0), "{end:?}");
    let json = fs::read(place.path("step.json")).unwrap();
    (end.stdout, serde_json::from_slice(&json).unwrap(), fs::read_to_string(place.path("step.csv")).unwrap())
}

/// The graph and plan that the bench had.
fn planned(fixture: &str, batch: usize, latent: usize, approx: Approx, maximum: RowMaximum) -> (Graph, Plan) {
    let config = networks(asset(&format!("fixtures/{fixture}"))).unwrap().remove(0).config;
    let extents = Extents { sample: Some([latent; 2]), tokens: None };
    let graph = config.graph(batch, extents).unwrap();
    assert_eq!(graph.fingerprint(), example(&config, batch, extents).unwrap().graph.fingerprint());
    let plan = config.plan_with(&graph, approx, maximum).unwrap();
    (graph, plan)
}

fn row<'a>(report: &'a Report, kind: &str) -> &'a Row {
    report.kinds.iter().find(|r| r.kind == kind).unwrap_or_else(|| panic!("no {kind} in {:?}", report.kinds))
}

/// An attention's inputs as far as they are opened for it, and the attention.
fn of_attention(graph: &Graph, plan: &Plan, node: &Node) -> Cost {
    let [q, k] = [0, 1].map(|i| &graph.node(node.inputs[i]).shape);
    let heads = graph.nonlinear(node) as usize / (q[0] * q[1] * k[1]);
    let shape = AttentionShape {
        n: q[0],
        heads,
        queries: q[1],
        keys: k[1],
        width: q[2] / heads,
        causal: false,
        tile: plan.config.tile,
    };
    let spec = SoftmaxSpec { scale: (shape.width as f64).sqrt().recip(), approx: plan.config.approx };
    let mut cost = Cost::default();
    let mut wires = vec![];
    let mut f = 0;
    for id in &node.inputs {
        let (n, format) = (elements(&graph.node(*id).shape), plan.nodes[id.index()].format.unwrap());
        if format.k < plan.ring {
            let narrow = (format.k / 4 * 4).min(NARROW.max(format.f.next_multiple_of(4) + 8));
            cost = cost + open_cost(&[(n, narrow)]) + lift_cost(n, narrow, plan.ring);
        }
        wires.push((n, plan.ring));
        f = format.f;
    }
    cost + open_cost(&wires) + attention_cost((plan.ring, f), &shape, (&spec, plan.config.maximum)).unwrap()
}

/// Compares bytes and rounds with what graph and plan say.
fn check_costs(report: &Report, graph: &Graph, plan: &Plan) {
    let secret = || graph.nodes.iter().enumerate().filter(|(_, n)| n.visibility == Visibility::Secret);
    // Layers: openings go both ways, masked inputs to the server only, once for all layers that read them, a correction for
    // each element of the result.
    for (kind, op) in [("conv", "conv2d"), ("linear", "linear")] {
        let (mut inputs, mut outputs, mut masked) = (0, 0, HashMap::new());
        for (i, node) in secret().filter(|(_, n)| ["conv2d", "linear"].contains(&n.op.name())) {
            let k = plan.nodes[i].layer.expect("a layer has a ring");
            let (x, mine) = (node.inputs[0], node.op.name() == op);
            if masked.get(&x.index()).is_none_or(|ring| *ring < k) {
                masked.insert(x.index(), k);
                inputs += if mine { packed_bytes(elements(&graph.node(x).shape), k) } else { 0 };
            }
            outputs += if mine { packed_bytes(elements(&node.shape), k) } else { 0 };
        }
        let row = row(report, kind);
        assert_eq!(row.to_server_bytes - row.to_client_bytes, inputs, "{row:?}");
        assert!(row.offline_bytes >= outputs && inputs > 0, "{row:?}");
        let nodes = graph.nodes.iter().filter(|n| n.op.name() == op);
        assert_eq!(row.macs, nodes.map(|n| graph.macs(n)).sum::<u64>());
    }
    let cost = secret().filter(|(_, n)| n.op.name() == "attention");
    let cost = cost.fold(Cost::default(), |sum, (_, n)| sum + of_attention(graph, plan, n));
    let (products, softmax) = (row(report, "attention products"), row(report, "softmax"));
    let mut both = products.clone();
    both.add(softmax);
    let found = (both.to_server_bytes, both.to_client_bytes, both.offline_bytes, both.rounds);
    assert_eq!(found, (cost.to_server, cost.to_client, cost.offline, cost.half_rounds as f64 / 2.0));
    assert!(softmax.online_bytes() > 0 && products.online_bytes() > 0);
}

#[test]
fn bytes_are_those_of_the_formulas() {
    let place = Place::new();
    let (text, report, csv) = step(&place, "tiny-unet-a", &["--latent", "8", "--link", "loopback", "--warm"]);
    let (graph, plan) = planned("tiny-unet-a", 1, 8, Approx::Loose, RowMaximum::Secure);
    check_costs(&report, &graph, &plan);
    assert!(report.relative_error > 0.0 && report.relative_error <= LARGEST_ERROR, "{}", report.relative_error);
    assert_eq!((report.destroyed, report.batch, report.shape.as_slice()), (0, 1, &[1, 8, 8, 4][..]));
    assert_eq!((report.maximum.as_str(), report.leaks.len()), ("secure", 0));
    for part in ["conditional UNet", "attention products", "device busy", "3103.32 s", "933.22", "apart", "overlapped"]
    {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("Leak"), "{text}");
    assert_eq!(csv.lines().count(), report.kinds.len() + 2, "{csv}");

    let names: Vec<&str> = report.roles.iter().map(|r| r.role.as_str()).collect();
    assert_eq!(names, ["client", "server", "dealer"]);
    for role in &report.roles {
        assert!(role.device_s > 0.0 && role.device_busy <= 1.01 && role.waited_s <= role.total_s, "{role:?}");
        assert!(role.peak_device_bytes > 0 && role.total_s <= 1.5 * report.wall_s + 1.0, "{role:?}");
    }
    let devices: f64 = report.kinds.iter().map(|r| r.client_s + r.server_s + r.dealer_s).sum();
    let roles: f64 = report.roles.iter().map(|r| r.device_s).sum();
    assert!((devices - roles).abs() <= 1e-6 * roles, "the layers' times are {devices}, the roles' {roles}");
    // The estimates are arithmetic on the totals.
    let lan = &report.estimates[0];
    let bits = 8.0 * report.total.to_server_bytes.max(report.total.to_client_bytes) as f64;
    assert!((lan.transfer_s - bits / 3e9).abs() < 1e-9 && (lan.latency_s - report.total.rounds * 0.3e-3).abs() < 1e-9);
    assert!(lan.overlapped_s >= lan.compute_s.max(lan.dealer_s) && lan.apart_s >= lan.compute_s + lan.transfer_s);

    let docs = include_str!("../../docs/benchmarks.md");
    let value = serde_json::to_value(&report).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let parts = ["total", "paper"].map(|part| keys(&value[part]));
    let lists = ["roles", "estimates"].map(|list| keys(&value[list][0]));
    for key in [keys(&value)].into_iter().chain(parts).chain(lists).flatten() {
        assert!(docs.contains(&format!("`{key}`")), "docs/benchmarks.md does not describe {key}");
    }
}

#[test]
fn revealed_maxima_cost_less_and_are_named() {
    let place = Place::new();
    let flags = ["--latent", "16", "--batch", "2", "--approx", "precise", "--max", "revealed", "--trace", "trace.json"];
    let (text, report, _) = step(&place, "tiny-unet-b", &flags);
    let (graph, plan) = planned("tiny-unet-b", 2, 16, Approx::Precise, RowMaximum::Revealed);
    check_costs(&report, &graph, &plan);
    let (_, secure) = planned("tiny-unet-b", 2, 16, Approx::Precise, RowMaximum::Secure);
    assert_ne!(plan.fingerprint(&graph), secure.fingerprint(&graph), "roles that differ in it must not talk");
    assert!(report.relative_error <= LARGEST_ERROR && report.destroyed == 0, "{report:?}");
    assert_eq!((report.maximum.as_str(), report.leaks.len()), ("revealed", 1));
    assert!(text.contains("Leak: row maxima were revealed") && text.contains("3696.45 s and 1122.51"), "{text}");
    // Without the tournament an attention takes few rounds, whatever the number of keys.
    let softmax = row(&report, "softmax");
    assert!(softmax.rounds <= 25.0 * softmax.layers as f64, "{softmax:?}");
    let events: Value = serde_json::from_slice(&fs::read(place.path("trace.json")).unwrap()).unwrap();
    assert!(events["traceEvents"].as_array().unwrap().len() > 1000);
    assert!(report.roles.iter().all(|r| r.device_s > 0.0), "{:?}", report.roles);
}

#[test]
fn steps_that_cannot_be_made_fail_at_once() {
    let place = Place::new();
    let unet = asset("fixtures/tiny-unet-a").display().to_string();
    let text = asset("fixtures/tiny-text").display().to_string();
    let fails = |flags: &[&str], names: &[&str]| {
        place.start(&[&["bench", "step", "-q"], flags].concat()).fails(names);
    };
    fails(&["--model", &unet, "--module", "vae"], &["--module", "only conditional UNet"]);
    fails(&["--model", &text, "--module", "text", "--latent", "8"], &["--latent", "leave it out"]);
    fails(&["--model", &unet, "--latent", "7"], &["7x7", "multiples of"]);
    fails(&["--model", "nowhere"], &["nowhere", "sd15"]);
    fails(&["--model", &unet, "--json", "no/such/folder"], &["no/such/folder"]);
    fails(&["--model", &unet, "--latent", "8", "--memory", "1MB", "--json", "x"], &["stopped", "--memory", "1.00 MB"]);
    assert!(!place.path("x").exists(), "figures of a run that was stopped");
    for flags in [["--approx", "exact"], ["--max", "both"], ["--batch", "0"], ["--link", "fast"], ["--memory", "much"]]
    {
        let end = place.start(&[&["bench", "step"], &flags[..]].concat()).end();
        assert_eq!(end.code, Some(2), "{flags:?}: {end:?}");
    }
}
