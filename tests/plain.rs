//! Plaintext inference on the device against values recorded from diffusers: block by block, whole networks, whole
//! trajectories; and what is refused.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::{Fixture, asset, channels_last, distance};
use masque_engine::approx::Approx;
use masque_engine::exec::{ExecError, Plain};
use masque_engine::gpu::{AdapterChoice, Gpu};
use masque_engine::graph::{Graph, Tensor, WeightError, WeightStore};
use masque_models::{Checkpoint, ClassModel, Clip, Schedule, UNet2dConfig, ddim_step, unet2d};

/// Largest absolute error of any block's output.
const BLOCK_TOLERANCE: f32 = 1e-4;
/// Of a predicted noise, whose elements are of size 1.
const SCORE_TOLERANCE: f32 = 1e-5;
/// Of an image after 50 steps.
const IMAGE_TOLERANCE: f32 = 5e-5;

fn plain(graph: Graph, weights: Arc<dyn WeightStore>, approx: Approx) -> Plain {
    Plain::new(Gpu::open(&AdapterChoice::default()).unwrap(), Arc::new(graph), weights, approx)
}

/// The tiny network's executor with its recorded values and inputs.
fn tiny() -> (Plain, Fixture, [(&'static str, Vec<f32>); 3]) {
    let config = UNet2dConfig::read(asset("fixtures/tiny-unet-class/config.json")).unwrap();
    let weights = Checkpoint::open(asset("fixtures/tiny-unet-class/model.safetensors")).unwrap();
    let fixture = Fixture::open("fixtures/tiny-unet-class/io.safetensors");
    let features = fixture.i64("in:timestep").into_iter().flat_map(|t| {
        unet2d::timestep_features(t as f32, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift)
    });
    let labels = fixture.i64("in:class_labels");
    let classes: Vec<f32> = labels.iter().flat_map(|l| (0..3).map(move |c| f32::from(u8::from(c == *l)))).collect();
    let inputs = [
        (unet2d::SAMPLE, channels_last(&fixture.f32("in:sample"), &fixture.shape("in:sample"))),
        (unet2d::TIME_FEATURES, features.collect()),
        (unet2d::CLASS, classes),
    ];
    let graph = unet2d::graph(&config, labels.len()).unwrap();
    (plain(graph, Arc::new(weights), Approx::Exact), fixture, inputs)
}

fn borrowed<'a>(inputs: &'a [(&'static str, Vec<f32>)]) -> Vec<(&'static str, &'a [f32])> {
    inputs.iter().map(|(name, x)| (*name, x.as_slice())).collect()
}

#[test]
fn every_block_of_the_tiny_network() {
    let (mut plain, fixture, inputs) = tiny();
    // Recorded modules by the node that has their value.
    let mut recorded: Vec<Vec<String>> = vec![Vec::new(); plain.graph().nodes.len()];
    for name in fixture.names() {
        if let Some(path) = name.strip_prefix("act:") {
            recorded[unet2d::tap(plain.graph(), path).unwrap()].push(path.into());
        }
    }
    let (mut at, mut compared, mut worst, mut diverged) = (0, 0, (0.0f32, String::new()), Vec::new());
    plain
        .run_tapped(&borrowed(&inputs), &mut |node, value| {
            for path in &recorded[at] {
                let name = format!("act:{path}");
                let (mut want, shape) = (fixture.f32(&name), fixture.shape(&name));
                if shape.len() == 4 || path.ends_with("group_norm") {
                    want = channels_last(&want, &shape);
                }
                let d = distance(value, &want);
                println!("{d:9.2e}  {path} ({})", node.name);
                compared += 1;
                if d > worst.0 || d.is_nan() {
                    worst = (d, path.clone());
                }
                if d.is_nan() || d > BLOCK_TOLERANCE {
                    diverged.push(format!("{path} by {d:e}"));
                }
            }
            at += 1;
        })
        .unwrap();
    println!("{compared} blocks, largest error {:e} in {}", worst.0, worst.1);
    assert!(compared > 100);
    assert!(diverged.is_empty(), "first diverging block: {}; {} in all", diverged[0], diverged.len());
}

#[test]
fn taps_change_nothing_and_memory_is_reused() {
    let (mut plain, fixture, inputs) = tiny();
    let out = plain.run(&borrowed(&inputs)).unwrap();
    assert!(distance(&out, &channels_last(&fixture.f32("out"), &fixture.shape("out"))) <= BLOCK_TOLERANCE);
    // Packed weights may have taken buffers of the first run for good; from the second on nothing is new.
    assert_eq!(plain.run(&borrowed(&inputs)).unwrap(), out);
    let peak = plain.recorder().peak_bytes();
    let mut nodes = 0;
    assert_eq!(plain.run_tapped(&borrowed(&inputs), &mut |_, _| nodes += 1).unwrap(), out);
    assert_eq!(nodes, plain.graph().nodes.len());
    assert_eq!(plain.run(&borrowed(&inputs)).unwrap(), out);
    assert_eq!(plain.recorder().peak_bytes(), peak);
}

#[test]
fn scores_of_the_shipped_model() {
    let model = ClassModel::open(asset("binary-mnist")).unwrap();
    let reference = Fixture::open("binary-mnist/reference.safetensors");
    let (graph, x) = (|| model.graph(4).unwrap(), reference.f32("in:x_T"));
    let labels: Vec<usize> = reference.i64("in:labels").iter().map(|l| *l as usize).collect();
    let (t, class) = (reference.i64("timesteps")[0] as u32, model.one_hot(&labels).unwrap());
    let features = model.time_features(t, 4);
    let weights = Arc::new(Checkpoint::open(asset("binary-mnist/unet/diffusion_pytorch_model.safetensors")).unwrap());
    for set in [Approx::Exact, Approx::Loose, Approx::Cipherdm] {
        let mut plain = plain(graph(), weights.clone(), set);
        // One channel: torch's order is ours.
        let inputs: [(&str, &[f32]); 3] = [("sample", &x), ("time_features", &features), ("class", &class)];
        let d = distance(&plain.run(&inputs).unwrap(), &reference.f32(&format!("{set}:eps_first")));
        println!("{set}: {d:e}");
        assert!(d <= SCORE_TOLERANCE, "{set}: {d:e}");
    }
}

#[test]
fn images_of_the_shipped_model() {
    let model = ClassModel::open(asset("binary-mnist")).unwrap();
    let reference = Fixture::open("binary-mnist/reference.safetensors");
    let labels: Vec<usize> = reference.i64("in:labels").iter().map(|l| *l as usize).collect();
    let (mut x, class) = (reference.f32("in:x_T"), model.one_hot(&labels).unwrap());
    let schedule = Schedule::new(&model.scheduler, 50).unwrap();
    let (graph, features) = (model.graph(4).unwrap(), |t| model.time_features(t, 4));
    let weights = Checkpoint::open(asset("binary-mnist/unet/diffusion_pytorch_model.safetensors")).unwrap();
    let mut plain = plain(graph, Arc::new(weights), Approx::Exact);
    for step in &schedule.steps {
        let features = features(step.t);
        let eps = plain.run(&[("sample", &x), ("time_features", &features), ("class", &class)]).unwrap();
        x = ddim_step(step, &x, &eps, Clip::Off);
    }
    let d = distance(&x, &reference.f32("exact:x_0"));
    println!("{d:e}");
    assert!(d <= IMAGE_TOLERANCE, "{d:e}");
}

#[test]
fn wrong_inputs_are_named() {
    let (mut plain, _, inputs) = tiny();
    let all = borrowed(&inputs);
    let message = |plain: &mut Plain, given: &[(&str, &[f32])]| plain.run(given).unwrap_err().to_string();
    let m = message(&mut plain, &all[..2]);
    assert!(m.contains("input `class` is missing") && m.contains("sample, time_features, class"), "{m}");
    let m = message(&mut plain, &[all[0], all[1], ("classes", all[2].1)]);
    assert!(m.contains("no further input `classes`"), "{m}");
    let m = message(&mut plain, &[all[0], all[0], all[1], all[2]]);
    assert!(m.contains("no further input `sample`"), "{m}");
    let m = message(&mut plain, &[(all[0].0, &all[0].1[1..]), all[1], all[2]]);
    assert!(m.contains("input `sample` has 431 elements, shape [3, 12, 12, 1] needs 432"), "{m}");
    plain.run(&all).unwrap();
}

/// A store whose tensors all have one shape.
struct Wrong;

impl WeightStore for Wrong {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        match name {
            "time_embedding.linear_1.bias" => Err(WeightError::Missing { store: "here".into(), tensor: name.into() }),
            _ => Ok(Tensor { shape: vec![64, 16], data: vec![0.0; 64 * 16] }),
        }
    }

    fn digest(&self) -> [u8; 32] {
        [0; 32]
    }
}

#[test]
fn wrong_weights_are_named() {
    let (_, _, inputs) = tiny();
    let config = UNet2dConfig::read(asset("fixtures/tiny-unet-class/config.json")).unwrap();
    let mut plain = plain(unet2d::graph(&config, 3).unwrap(), Arc::new(Wrong), Approx::Exact);
    let error = plain.run(&borrowed(&inputs)).unwrap_err();
    assert!(matches!(error, ExecError::Weights(_) | ExecError::WeightShape { .. }));
    let m = error.to_string();
    assert!(m.contains("time_embedding.linear_1.bias") || m.contains("conv_in.weight"), "{m}");
}
