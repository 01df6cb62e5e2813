//! The networks of Stable Diffusion in plaintext against values recorded from diffusers and transformers: module by module,
//! the whole pipeline, the shipped model, and full-size networks with weights by the rule.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::{Fixture, asset, channels_last, distance};
use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::{AdapterChoice, Gpu};
use masque_engine::graph::{Graph, WeightStore};
use masque_models::presets::Preset;
use masque_models::sampling::Guidance;
use masque_models::vae_decoder::Latent;
use masque_models::{
    Checkpoint, Classifier, ClipTextConfig, GuidanceWeight, Origin, PlainPipeline, Prompt, Sampler, StableDiffusion,
    StableDiffusionConfig, TextJob, UNet2dConditionConfig, VaeConfig, classifier, clip_text, tap, unet2d_condition,
    vae_decoder,
};

/// Largest error of a module's output, as a fraction of its largest element.
const BLOCK_TOLERANCE: f32 = 2e-4;

type Inputs = Vec<(&'static str, Vec<f32>)>;

fn plain(graph: Graph, weights: Arc<dyn WeightStore>, approx: Approx) -> Plain {
    Plain::new(Gpu::open(&AdapterChoice::default()).unwrap(), Arc::new(graph), weights, approx)
}

fn checkpoint(path: &str) -> Arc<Checkpoint> {
    Arc::new(Checkpoint::open(asset(path)).unwrap())
}

fn borrowed<'a>(inputs: &'a [(&'static str, Vec<f32>)]) -> Vec<(&'static str, &'a [f32])> {
    inputs.iter().map(|(name, x)| (*name, x.as_slice())).collect()
}

/// A recorded tensor with channels last: images, and normalised tokens of the decoder's attention.
fn recorded(fixture: &Fixture, name: &str) -> Vec<f32> {
    let (x, shape) = (fixture.f32(name), fixture.shape(name));
    if shape.len() == 4 || name.ends_with("group_norm") { channels_last(&x, &shape) } else { x }
}

/// Largest difference as a fraction of the largest element wanted.
fn error(got: &[f32], want: &[f32]) -> f32 {
    distance(got, want) / want.iter().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()))
}

/// Compares every recorded module with the node of its path behind `prefix`, and names the first that diverges.
fn every_block(plain: &mut Plain, inputs: &Inputs, fixture: &Fixture, prefix: &str, skipped: &[&str]) {
    let mut modules: Vec<Vec<String>> = vec![Vec::new(); plain.graph().nodes.len()];
    for name in fixture.names() {
        if let Some(path) = name.strip_prefix("act:").filter(|path| !skipped.contains(path)) {
            let at = tap(plain.graph(), &format!("{prefix}{path}"));
            modules[at.unwrap_or_else(|| panic!("no node has the value of {path}"))].push(path.into());
        }
    }
    let (mut at, mut compared, mut worst, mut diverged) = (0, 0, (0.0f32, String::new()), Vec::new());
    let mut look = |node: &masque_engine::graph::Node, value: &[f32]| {
        for path in &modules[at] {
            let d = error(value, &recorded(fixture, &format!("act:{path}")));
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
    };
    let out = plain.run_tapped(&borrowed(inputs), &mut look).unwrap();
    println!("{compared} modules, largest relative error {:e} in {}", worst.0, worst.1);
    assert!(diverged.is_empty(), "first diverging module: {}; {} in all", diverged[0], diverged.len());
    let d = error(&out, &recorded(fixture, "out"));
    assert!(d <= BLOCK_TOLERANCE, "output: {d:e}");
    assert!(compared + skipped.len() == fixture.names().iter().filter(|n| n.starts_with("act:")).count());
}

fn ids(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture.i64(name).into_iter().map(|id| id as f32).collect()
}

fn tiny_text(n: usize) -> Plain {
    let config = ClipTextConfig::read(asset("fixtures/tiny-text/config.json")).unwrap();
    let graph = clip_text::graph(&config, n, 16).unwrap();
    plain(graph, checkpoint("fixtures/tiny-text/model.safetensors"), Approx::Exact)
}

#[test]
fn every_block_of_the_text_encoder() {
    let fixture = Fixture::open("fixtures/tiny-text/io.safetensors");
    let inputs = vec![(clip_text::TOKENS, ids(&fixture, "in:input_ids"))];
    // The table itself, which the graph adds without a node of its own.
    let skipped = ["embeddings.position_embedding"];
    every_block(&mut tiny_text(2), &inputs, &fixture, clip_text::PREFIX, &skipped);
}

fn unet(folder: &str) -> UNet2dConditionConfig {
    UNet2dConditionConfig::read(asset(&format!("{folder}/config.json"))).unwrap()
}

fn features(config: &UNet2dConditionConfig, t: f32) -> Vec<f32> {
    let (dim, flip, shift) = (config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift);
    unet2d_condition::timestep_features(t, dim, flip, shift)
}

fn every_block_of_unet(name: &str) {
    let folder = format!("fixtures/{name}");
    let (config, fixture) = (unet(&folder), Fixture::open(&format!("{folder}/io.safetensors")));
    let (shape, context) = (fixture.shape("in:sample"), fixture.shape("in:encoder_hidden_states"));
    let graph = unet2d_condition::graph(&config, shape[0], [shape[2], shape[3]], context[1]).unwrap();
    let inputs = vec![
        (unet2d_condition::SAMPLE, recorded(&fixture, "in:sample")),
        (unet2d_condition::CONTEXT, fixture.f32("in:encoder_hidden_states")),
        (
            unet2d_condition::TIME_FEATURES,
            fixture.i64("in:timestep").into_iter().flat_map(|t| features(&config, t as f32)).collect(),
        ),
    ];
    let mut plain = plain(graph, checkpoint(&format!("{folder}/model.safetensors")), Approx::Exact);
    every_block(&mut plain, &inputs, &fixture, "", &[]);
}

#[test]
fn every_block_of_unet_a() {
    every_block_of_unet("tiny-unet-a");
}

#[test]
fn every_block_of_unet_b() {
    every_block_of_unet("tiny-unet-b");
}

#[test]
fn every_block_of_the_decoder() {
    let fixture = Fixture::open("fixtures/tiny-vae/io.safetensors");
    let config = VaeConfig::read(asset("fixtures/tiny-vae/config.json")).unwrap();
    let graph = vae_decoder::graph(&config, 1, [8, 8], Latent::Decoder).unwrap();
    let inputs = vec![(vae_decoder::LATENT, recorded(&fixture, "in:latent"))];
    let mut plain = plain(graph, checkpoint("fixtures/tiny-vae/model.safetensors"), Approx::Exact);
    every_block(&mut plain, &inputs, &fixture, "", &[]);
}

fn device() -> Arc<Gpu> {
    Gpu::open(&AdapterChoice::default()).unwrap()
}

fn job(count: u64, steps: usize, scale: f64, approx: Approx) -> TextJob {
    TextJob {
        origins: (0..count).map(|image| Origin { seed: 1, image }).collect(),
        sampler: Sampler::Ddim,
        steps,
        guidance: Guidance { scale, eta: 0.0, weight: GuidanceWeight::Beta },
        approx,
        approx_text: approx,
        approx_vae: approx,
    }
}

fn prompts(fixture: &Fixture, name: &str) -> Vec<Prompt> {
    let of = |ids: &[i64]| Prompt { ids: ids.iter().map(|id| *id as u32).collect(), dropped: None };
    fixture.i64(name).chunks(16).map(of).collect()
}

fn tiny_pipeline() -> PlainPipeline {
    let config = StableDiffusionConfig {
        text: ClipTextConfig::read(asset("fixtures/tiny-text/config.json")).unwrap(),
        unet: unet("fixtures/tiny-unet-a"),
        vae: VaeConfig::read(asset("fixtures/tiny-vae/config.json")).unwrap(),
        scheduler: Preset::named("sd15").unwrap().config().unwrap().scheduler,
    };
    let weights = |name: &str| checkpoint(&format!("fixtures/{name}/model.safetensors"));
    PlainPipeline::with_weights(
        device(),
        config.checked().unwrap(),
        weights("tiny-text"),
        weights("tiny-unet-a"),
        weights("tiny-vae"),
    )
}

#[test]
fn the_whole_tiny_pipeline() {
    let (fixture, pipeline) = (Fixture::open("fixtures/tiny-pipeline.safetensors"), tiny_pipeline());
    let close = |what: &str, got: &[f32], name: &str| {
        let d = error(got, &recorded(&fixture, name));
        println!("{d:9.2e}  {what}");
        assert!(d <= BLOCK_TOLERANCE, "{what}: {d:e}");
    };
    let context = pipeline.encode(&prompts(&fixture, "in:input_ids"), Approx::Exact).unwrap();
    close("context", &context, "context");
    let (positive, negative) = context.split_at(context.len() / 2);
    let job = job(1, 4, 7.5, Approx::Exact);
    let start = recorded(&fixture, "in:latent");
    let mut look = |i: usize, eps: &[f32], latent: &[f32]| {
        let (cond, uncond) = eps.split_at(eps.len() / 2);
        close(&format!("prediction {i}"), cond, &format!("step{i}:cond"));
        close(&format!("prediction {i} without condition"), uncond, &format!("step{i}:uncond"));
        close(&format!("latent {i}"), latent, &format!("step{i}:latent"));
    };
    let latent = pipeline.sample_from(&job, start, positive, negative, None, &mut look).unwrap();
    close("image", &pipeline.decode(&latent, Approx::Exact).unwrap(), "image");
}

/// The chain without a condition says nothing new to a chain that has none either, whatever the sampler: both start from one
/// noise and are given the same noise on the way.
#[test]
fn score_guidance() {
    let (fixture, pipeline) = (Fixture::open("fixtures/tiny-pipeline.safetensors"), tiny_pipeline());
    let mut prompts = prompts(&fixture, "in:input_ids");
    let (null, prompt) = (prompts.pop().unwrap(), prompts.pop().unwrap());
    let context = |p: &Prompt| pipeline.encode(std::slice::from_ref(p), Approx::Exact).unwrap().repeat(2);
    let (condition, nothing) = (context(&prompt), context(&null));
    for sampler in Sampler::ALL {
        let plain = TextJob { sampler, ..job(2, 4, 1.0, Approx::Exact) };
        let guidance = Guidance { eta: 0.5, ..plain.guidance };
        let guided = TextJob { guidance, ..plain.clone() };
        let known = pipeline.unconditional(&guided, &null, &mut |_| {}).unwrap();
        let sample = |job: &TextJob, context: &[f32], known: Option<&[Vec<f32>]>| {
            let mut steps = Vec::new();
            let latents = pipeline.sample(job, context, &[], known, &mut |i| steps.push(i)).unwrap();
            assert_eq!(steps, [1, 2, 3, 4]);
            latents
        };
        let without = sample(&plain, &nothing, None);
        let d = error(&sample(&guided, &nothing, Some(&known)), &without);
        assert!(d <= 1e-5, "{sampler}: {d:e}");
        let d = error(&sample(&guided, &condition, Some(&known)), &sample(&plain, &condition, None));
        assert!(d > 1e-3, "{sampler}: guidance has no effect, {d:e}");
        // Two images of one job start from different noise, and from the same in another job.
        let (first, second) = without.split_at(without.len() / 2);
        assert!(error(first, second) > 0.1, "{sampler}");
        let alone = TextJob { origins: plain.origins[1..].to_vec(), ..plain.clone() };
        let half = nothing.len() / 2;
        assert!(error(&sample(&alone, &nothing[..half], None), second) <= 1e-5, "{sampler}");
        let refused = |job: &TextJob, context: &[f32], known: Option<&[Vec<f32>]>| {
            pipeline.sample(job, context, &[], known, &mut |_| ()).unwrap_err().to_string()
        };
        assert!(refused(&guided, &nothing, None).contains("chain without a condition"));
        assert!(refused(&guided, &nothing, Some(&known[1..])).contains("chain without a condition"));
        assert!(refused(&plain, &nothing[1..], None).contains("2 images need 1024"));
    }
}

/// Largest error of predictions and conditions of the shipped model.
const PREDICTION_TOLERANCE: f32 = 1e-5;
/// Of latents after 50 steps with guidance, which multiplies errors by its scale, and of images.
const RESULT_TOLERANCE: f32 = 5e-5;

#[test]
fn the_shipped_model() {
    let model = StableDiffusion::open(asset("mini-sd")).unwrap();
    let fixture = Fixture::open("mini-sd/reference.safetensors");
    let texts = [
        "a photo of a red sneaker",
        "a handwritten digit seven",
        "a photo of a blue dress",
        "a green handwritten digit three",
    ];
    let written: Vec<Prompt> = texts.iter().map(|t| model.tokenizer.encode(t).unwrap()).collect();
    assert_eq!(written, prompts(&fixture, "in:input_ids"));
    assert_eq!(vec![model.tokenizer.encode("").unwrap()], prompts(&fixture, "in:null_ids"));

    let pipeline = PlainPipeline::new(device(), &model);
    let judge = Classifier::open(asset("mini-sd/classifier")).unwrap();
    let close = |got: &[f32], name: &str, tolerance: f32| {
        let d = error(got, &recorded(&fixture, name));
        println!("{d:9.2e}  {name}");
        assert!(d <= tolerance, "{name}: {d:e}");
    };
    for approx in [Approx::Exact, Approx::Loose] {
        let context = pipeline.encode(&written, approx).unwrap();
        close(&context, &format!("{approx}:context"), PREDICTION_TOLERANCE);
        let negative = pipeline.encode(&prompts(&fixture, "in:null_ids"), approx).unwrap();
        close(&negative, &format!("{approx}:null_context"), PREDICTION_TOLERANCE);
        let negative = negative.repeat(4);
        for (scale, name) in [(4.0, "s4"), (7.5, "s7.5")] {
            let mut first = None;
            let start = recorded(&fixture, "in:z_T");
            let mut look = |i: usize, eps: &[f32], _: &[f32]| {
                if i == 0 {
                    first = Some(eps.to_vec());
                }
            };
            let job = job(4, 50, scale, approx);
            let latents = pipeline.sample_from(&job, start, &context, &negative, None, &mut look).unwrap();
            let first = first.unwrap();
            let (cond, uncond) = first.split_at(first.len() / 2);
            close(cond, &format!("{approx}:eps_cond_first"), PREDICTION_TOLERANCE);
            close(uncond, &format!("{approx}:eps_uncond_first"), PREDICTION_TOLERANCE);
            close(&latents, &format!("{approx}:{name}:z_0"), RESULT_TOLERANCE);
            let images = pipeline.decode(&latents, approx).unwrap();
            close(&images, &format!("{approx}:{name}:image"), RESULT_TOLERANCE);
            let grey: Vec<f32> = classifier::brightest(&images, 3).iter().map(|x| x.clamp(-1.0, 1.0)).collect();
            // Sneaker, seven, dress, three: ten clothes, then the digits.
            assert_eq!(judge.classify(&grey).unwrap(), [7, 17, 3, 13], "{approx} {name}");
        }
    }
}
