//! Stable Diffusion v1.5 in its own size with weights by the rule, in plaintext against diffusers and transformers: outputs, and
//! statistics and corners of every module. Nothing is downloaded. The network's tests are run with
//! `cargo test -p masque-models --test sd_full -- --ignored`.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Fixture, asset, channels_last, distance};
use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::{AdapterChoice, Gpu};
use masque_engine::graph::{Graph, Node};
use masque_models::presets::Preset;
use masque_models::vae_decoder::Latent;
use masque_models::weight_rule::RuleWeights;
use masque_models::{StableDiffusionConfig, clip_text, tap, unet2d_condition, vae_decoder};
use serde::Deserialize;

/// Largest error of an output or of a module's recorded elements, as a fraction of the largest element.
const TOLERANCE: f32 = 1e-3;

/// What is recorded of a module's output, elements in torch's order.
#[derive(Deserialize)]
struct Recorded {
    shape: Vec<usize>,
    mean: f64,
    std: f64,
    absmax: f32,
    first8: Vec<f32>,
    last8: Vec<f32>,
}

fn config() -> StableDiffusionConfig {
    Preset::named("sd15").unwrap().config().unwrap()
}

/// Channels first, as torch has images and the tokens that the decoder's attention normalises.
fn channels_first(x: &[f32], shape: &[usize]) -> Vec<f32> {
    let (c, positions) = (shape[1], shape[2..].iter().product::<usize>());
    // The inverse of `channels_last` is itself with the extents exchanged.
    channels_last(x, &[shape[0], positions, c])
}

/// Runs a graph with weights by the rule; compares its output and every module's recorded facts.
fn check(graph: Graph, tag: &str, prefix: &str, part: &str, inputs: &[(&str, &[f32])], want: &[f32]) {
    let weights = Arc::new(RuleWeights::new(tag, graph.weights()));
    let all: BTreeMap<String, BTreeMap<String, Recorded>> =
        serde_json::from_slice(&std::fs::read(asset("fixtures/full-stats.json")).unwrap()).unwrap();
    let recorded = &all[part];
    let mut modules: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
    for path in recorded.keys() {
        let at = tap(&graph, &format!("{prefix}{path}")).unwrap_or_else(|| panic!("no node has the value of {path}"));
        modules.entry(at).or_default().push(path);
    }
    let mut plain = Plain::new(Gpu::open(&AdapterChoice::default()).unwrap(), Arc::new(graph), weights, Approx::Exact);
    let (mut at, mut worst, mut diverged) = (0, (0.0f32, String::new()), Vec::new());
    let mut look = |_: &Node, value: &[f32]| {
        for path in modules.get(&at).into_iter().flatten() {
            let r = &recorded[*path];
            let first = r.shape.len() == 4 || path.ends_with("group_norm");
            let value = if first { channels_first(value, &r.shape) } else { value.to_vec() };
            let n = value.len();
            assert_eq!(n, r.shape.iter().product::<usize>(), "{path}");
            let mean = value.iter().map(|x| f64::from(*x)).sum::<f64>() / n as f64;
            let std = (value.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt();
            let corners = distance(&value[..8], &r.first8).max(distance(&value[n - 8..], &r.last8));
            let largest = value.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let d = [corners, (mean - r.mean).abs() as f32, (std - r.std).abs() as f32, (largest - r.absmax).abs()];
            let d = d.into_iter().fold(0.0f32, |m, d| if d.is_nan() { d } else { m.max(d) }) / r.absmax;
            if d > worst.0 || d.is_nan() {
                worst = (d, path.to_string());
            }
            if d.is_nan() || d > TOLERANCE {
                diverged.push(format!("{path} by {d:e}"));
            }
        }
        at += 1;
    };
    let out = plain.run_tapped(inputs, &mut look).unwrap();
    println!("{part}: {} modules, largest relative error {:e} in {}", recorded.len(), worst.0, worst.1);
    assert!(diverged.is_empty(), "first diverging module: {}; {} in all", diverged[0], diverged.len());
    let d = distance(&out, want) / want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    println!("{part}: output {d:e}, peak {} MB", plain.recorder().peak_bytes() >> 20);
    assert!(d <= TOLERANCE, "{part}: output {d:e}");
}

fn recorded(fixture: &Fixture, name: &str) -> Vec<f32> {
    let (x, shape) = (fixture.f32(name), fixture.shape(name));
    if shape.len() == 4 { channels_last(&x, &shape) } else { x }
}

#[test]
fn text_encoder() {
    let fixture = Fixture::open("fixtures/full-io.safetensors");
    let ids: Vec<f32> = fixture.i64("text:in:input_ids").into_iter().map(|id| id as f32).collect();
    let inputs = [(clip_text::TOKENS, ids.as_slice())];
    let graph = config().text_graph(1).unwrap();
    check(graph, "sd15-text", clip_text::PREFIX, "text_encoder", &inputs, &recorded(&fixture, "text:out"));
}

#[test]
fn decoder() {
    let fixture = Fixture::open("fixtures/full-io.safetensors");
    let graph = vae_decoder::graph(&config().vae, 1, [16, 16], Latent::Decoder).unwrap();
    let latent = recorded(&fixture, "vae:in:latent");
    check(graph, "sd15-vae", "", "vae_decode_16", &[(vae_decoder::LATENT, &latent)], &recorded(&fixture, "vae:out"));
}

fn network(size: usize) {
    let (config, fixture) = (config(), Fixture::open("fixtures/full-io.safetensors"));
    let graph = unet2d_condition::graph(&config.unet, 1, [size; 2], 77).unwrap();
    let (sample, context) =
        (recorded(&fixture, &format!("unet{size}:in:sample")), fixture.f32("unet:in:encoder_hidden_states"));
    let time = config.time_features(fixture.i64("unet:in:timestep")[0] as u32, 1);
    let inputs = [
        (unet2d_condition::SAMPLE, sample.as_slice()),
        (unet2d_condition::CONTEXT, &context),
        (unet2d_condition::TIME_FEATURES, &time),
    ];
    let want = recorded(&fixture, &format!("unet{size}:out"));
    check(graph, "sd15-unet", "", &format!("unet_{size}"), &inputs, &want);
}

#[test]
#[ignore = "takes 4.5 GB of memory"]
fn network_at_16x16() {
    network(16);
}

#[test]
#[ignore = "takes 5 GB of memory, and many minutes without a GPU"]
fn network_at_64x64() {
    network(64);
}
