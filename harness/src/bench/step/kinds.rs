//! Which layers are counted together, and their sums.

use std::time::Duration;

use masque_engine::exec::{NodeStats, section};
use masque_engine::graph::Graph;
use masque_engine::protocol::Cost;

use super::report::Row;
use crate::bench::modules::Part;

/// Kinds in the table's order. An attention's products and its softmax are two.
const KINDS: [&str; 7] = ["conv", "linear", "attention products", "softmax", "activation", "norm", "other"];
const PRODUCTS: usize = 2;
const SOFTMAX: usize = 3;
const OTHER: usize = 6;

/// The kind of an operation, by its name.
fn kind(op: &str) -> usize {
    match op {
        "conv2d" => 0,
        "linear" => 1,
        "attention" => PRODUCTS,
        "relu" | "silu" | "gelu" | "quick_gelu" => 4,
        "group_norm" | "layer_norm" => 5,
        _ => OTHER,
    }
}

/// Sums by kind, of parts of client, server and dealer; kinds that the graph has none of are left out. Bytes and rounds are
/// the client's account, which goes on from evaluation to evaluation: those of an earlier one are taken off.
pub fn rows(graph: &Graph, parts: &[Part], earlier: &[Part]) -> Vec<Row> {
    let mut rows = KINDS.map(|kind| Row { kind: kind.into(), ..Row::default() });
    let Some(client) = parts.first() else { return vec![] };
    for (at, stats) in client.stats.iter().enumerate() {
        let node = graph.nodes.get(at);
        let is = node.map_or(OTHER, |n| kind(n.op.name()));
        let nonlinear = node.map_or(0, |n| graph.nonlinear(n));
        let softmax = is == PRODUCTS;
        let already = earlier.first().map_or_else(NodeStats::default, |p| p.stats[at].clone());
        let (aside, aside_wait) = (stats.softmax.0 - already.softmax.0, stats.softmax.1 - already.softmax.1);
        let (cost, wait) = (stats.cost - already.cost - aside, stats.wait - already.wait - aside_wait);
        let mut row = row(cost, wait, parts, section(at));
        row.layers = u64::from(node.is_some_and(|n| !n.inputs.is_empty()));
        row.macs = node.map_or(0, |n| graph.macs(n));
        row.elements = if softmax { 0 } else { nonlinear };
        rows[is].add(&row);
        if softmax {
            let mut row = self::row(aside, aside_wait, parts, section(at) + 1);
            (row.layers, row.elements) = (1, nonlinear);
            rows[SOFTMAX].add(&row);
        }
    }
    rows.into_iter().filter(|r| r.layers > 0 || r.online_bytes() > 0).collect()
}

fn row(cost: Cost, waited: Duration, parts: &[Part], section: u32) -> Row {
    let device = |role: usize| {
        let spent = parts.get(role).and_then(|p| p.device.get(&section));
        spent.map_or(0.0, Duration::as_secs_f64)
    };
    Row {
        client_s: device(0),
        server_s: device(1),
        dealer_s: device(2),
        waited_s: waited.as_secs_f64(),
        to_server_bytes: cost.to_server,
        to_client_bytes: cost.to_client,
        offline_bytes: cost.offline,
        rounds: cost.half_rounds as f64 / 2.0,
        ..Row::default()
    }
}
