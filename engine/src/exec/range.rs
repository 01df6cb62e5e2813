//! Whether a model's values stay within the ranges that a plan declares.

use std::sync::Arc;

use super::{ExecError, NARROW, Plain, Plan};
use crate::approx::Approx;
use crate::gpu::Gpu;
use crate::graph::{Graph, Node, WeightStore, elements};

/// Evaluates the graph in plaintext with the functions themselves, and names the first node whose value, or whose input's
/// variance, the plan cannot hold. On shares such a value would wrap around and spoil the result without a sign.
///
/// The server calls it with inputs that are public, before it takes part in anything: neither side learns anything about
/// the other. It is a test on one input, not a proof for all.
///
/// Checked per node: `|v| < 2^(k - f - 1)` for a result with `k` ring and `f` fraction bits (at most 24 ring bits where a wire of
/// 24 may carry it on); the largest magnitude that
/// its readers declare ([`Op::largest_input`](crate::graph::Op::largest_input)); for normalisations the largest variance
/// of the plan. A value that is not finite fails as well.
pub fn check_ranges(
    gpu: Arc<Gpu>,
    graph: Arc<Graph>,
    weights: Arc<dyn WeightStore>,
    plan: &Plan,
    inputs: &[(&str, &[f32])],
) -> Result<(), ExecError> {
    run_checked(&mut Plain::new(gpu, graph, weights, Approx::Exact), plan, inputs).map(drop)
}

/// The graph's output in plaintext, with whatever functions, or the first misfit as [`check_ranges`] finds it.
pub fn run_checked(plain: &mut Plain, plan: &Plan, inputs: &[(&str, &[f32])]) -> Result<Vec<f32>, ExecError> {
    let graph = plain.shared_graph();
    let bounds = bounds(&graph, plan);
    let largest_variance = f64::from(plan.config.variance.1).exp2();
    // By node: the largest variance that a normalisation reading it would see.
    let readers: Vec<Vec<&Node>> = (0..graph.nodes.len())
        .map(|i| graph.nodes.iter().filter(|n| n.inputs.iter().any(|id| id.index() == i)).collect())
        .collect();
    let (mut at, mut found) = (0, None);
    let out = plain.run_tapped(inputs, &mut |node, values| {
        let i = at;
        at += 1;
        let largest =
            values.iter().fold(0.0f64, |m, v| if v.is_nan() { f64::INFINITY } else { m.max(f64::from(v.abs())) });
        if found.is_none() && largest >= bounds[i] {
            found = Some(misfit(node, "a value", largest, bounds[i]));
        }
        for reader in &readers[i] {
            let Some((positions, width)) = reader.op.statistics(&reader.shape) else { continue };
            let variance = variance(values, positions, width, *node.shape.last().unwrap_or(&1));
            if found.is_none() && (variance.is_nan() || variance > largest_variance) {
                found = Some(misfit(reader, "the variance of a group", variance, largest_variance));
            }
        }
    })?;
    found.map_or(Ok(out), Err)
}
fn misfit(node: &Node, what: &'static str, found: f64, bound: f64) -> ExecError {
    ExecError::Unfit { node: node.name.clone(), what, found, bound }
}

/// Per node the magnitude that its result must stay below.
fn bounds(graph: &Graph, plan: &Plan) -> Vec<f64> {
    // A share in a smaller ring than that of activations is lifted through a wire of as few bits as that.
    let bits = |k: u32| if k < plan.ring { k.min(NARROW) } else { k };
    let own =
        |i: usize| plan.nodes[i].format.map_or(f64::INFINITY, |x| f64::from(bits(x.k) as i32 - x.f as i32 - 1).exp2());
    let mut bounds: Vec<f64> = (0..graph.nodes.len()).map(own).collect();
    for node in &graph.nodes {
        for (slot, id) in node.inputs.iter().enumerate() {
            let Some(most) = node.op.largest_input(slot, &plan.config) else { continue };
            if plan.nodes[id.index()].format.is_some() {
                bounds[id.index()] = bounds[id.index()].min(most);
            }
        }
    }
    bounds
}

/// Largest (biased) variance over groups of `width` channels and `positions` positions.
fn variance(values: &[f32], positions: usize, width: usize, channels: usize) -> f64 {
    let mut worst = 0.0f64;
    for image in values.chunks_exact(positions * channels) {
        for first in (0..channels).step_by(width) {
            let group =
                || image.chunks_exact(channels).flat_map(|row| &row[first..first + width]).map(|v| f64::from(*v));
            let n = elements(&[positions, width]) as f64;
            let mean = group().sum::<f64>() / n;
            let found = group().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            // `max` would drop what is not a number.
            worst = if found > worst || found.is_nan() { found } else { worst };
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_of_groups() {
        // Two images of two positions and four channels in groups of two.
        let x = [1.0, 3.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 0.0, 0.0, -5.0, -5.0];
        assert_eq!(variance(&x, 2, 2, 4), 25.0);
        assert_eq!(variance(&x[..8], 2, 2, 4), 1.0);
        assert!(variance(&[f32::NAN, 0.0], 1, 2, 2).is_nan());
    }
}
