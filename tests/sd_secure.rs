//! The networks of Stable Diffusion on shares against the same networks in plaintext, with the same functions.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::{Fixture, asset, channels_last};
use masque_engine::approx::Approx;
use masque_engine::exec::{Input, Plain, Plan, PlanConfig, Secure};
use masque_engine::graph::{Graph, Visibility, WeightStore};
use masque_engine::protocol::Role;
use masque_engine::testing::{World, reconstruct, words};
use masque_models::vae_decoder::Latent;
use masque_models::{
    Checkpoint, ClipTextConfig, StableDiffusion, UNet2dConditionConfig, VaeConfig, clip_text, unet2d_condition,
    vae_decoder,
};

type Inputs = Vec<(&'static str, Vec<f32>)>;

/// Settings of the fixed-point plan.
fn plan(approx: Approx) -> PlanConfig {
    PlanConfig { approx, ..PlanConfig::default() }
}

/// One evaluation on shares and in plaintext: the largest difference, and that as a fraction of the largest element.
fn forward(graph: Graph, weights: Arc<dyn WeightStore>, inputs: &Inputs, config: PlanConfig) -> (f64, f64) {
    let (world, graph) = (World::new(41), Arc::new(graph));
    let given: Vec<(&str, &[f32])> = inputs.iter().map(|(n, x)| (*n, x.as_slice())).collect();
    let want = Plain::new(world.gpu(), graph.clone(), weights.clone(), config.approx).run(&given).unwrap();
    let out = world.run_into(|w, ctx| {
        let plan = Plan::new(&graph, config.clone()).unwrap();
        let store = (ctx.role == Role::Server).then(|| weights.clone());
        let mut s = Secure::new(ctx, graph.clone(), plan, store).unwrap();
        s.begin();
        let mut given = Vec::new();
        for (name, x) in inputs {
            let id = graph.input(name).unwrap();
            if graph.node(id).visibility == Visibility::Public {
                given.push((*name, Input::Public(x.clone())));
                continue;
            }
            let format = s.format(id.index());
            let fixed = |v: f64| (v * f64::from(format.f).exp2()).round() as i64;
            let one_hot = |entries, v: &f32| (0..entries).map(|e| i64::from(e == *v as usize)).collect::<Vec<_>>();
            let fixed: Vec<i64> = match graph.node(id).op.entries() {
                Some(entries) => x.iter().flat_map(|v| one_hot(entries, v)).collect(),
                None => x.iter().map(|v| fixed((*v).into())).collect(),
            };
            given.push((*name, Input::Shared(w.share(&mut s.ctx, name, &fixed, format.k, format.f)?)));
        }
        let y = s.forward(&given).unwrap();
        let out = words(&mut s.ctx, &y)?;
        s.ctx.finish()?;
        Ok((out, y.k, y.f, s.ctx.cost()))
    });
    println!("cost {:?}", out[0].3);
    let unit = f64::from(out[0].2).exp2();
    let got = reconstruct(&out[0].0, &out[1].0, out[0].1);
    let worst = got.iter().zip(&want).map(|(g, w)| (*g as f64 / unit - f64::from(*w)).abs()).fold(0.0, f64::max);
    let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    (worst, worst / f64::from(largest))
}

fn checkpoint(name: &str) -> Arc<Checkpoint> {
    Arc::new(Checkpoint::open(asset(&format!("fixtures/{name}/model.safetensors"))).unwrap())
}

fn image(fixture: &Fixture, name: &str) -> Vec<f32> {
    channels_last(&fixture.f32(name), &fixture.shape(name))
}

#[test]
fn text_encoder() {
    let fixture = Fixture::open("fixtures/tiny-text/io.safetensors");
    let config = ClipTextConfig::read(asset("fixtures/tiny-text/config.json")).unwrap();
    let inputs = vec![(clip_text::TOKENS, fixture.i64("in:input_ids").iter().map(|id| *id as f32).collect())];
    for approx in [Approx::Precise, Approx::Loose] {
        let graph = clip_text::graph(&config, 2, 16).unwrap();
        let (worst, relative) = forward(graph, checkpoint("tiny-text"), &inputs, clip_text::plan(approx));
        println!("text encoder, {approx}: largest error {worst:.5}, relative {relative:.5}");
        assert!(worst <= 0.03, "{approx}: {worst}");
    }
}

fn network(name: &str) {
    let fixture = Fixture::open(&format!("fixtures/{name}/io.safetensors"));
    let config = UNet2dConditionConfig::read(asset(&format!("fixtures/{name}/config.json"))).unwrap();
    let (shape, tokens) = (fixture.shape("in:sample"), fixture.shape("in:encoder_hidden_states")[1]);
    let (dim, flip, shift) = (config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift);
    let features = |t: &i64| unet2d_condition::timestep_features(*t as f32, dim, flip, shift);
    let inputs = vec![
        (unet2d_condition::SAMPLE, image(&fixture, "in:sample")),
        (unet2d_condition::CONTEXT, fixture.f32("in:encoder_hidden_states")),
        (unet2d_condition::TIME_FEATURES, fixture.i64("in:timestep").iter().flat_map(features).collect()),
    ];
    for approx in [Approx::Precise, Approx::Loose] {
        let graph = unet2d_condition::graph(&config, shape[0], [shape[2], shape[3]], tokens).unwrap();
        let (worst, relative) = forward(graph, checkpoint(name), &inputs, plan(approx));
        println!("{name}, {approx}: largest error {worst:.5}, relative {relative:.5}");
        assert!(worst <= 0.03, "{approx}: {worst}");
    }
}

#[test]
fn network_a() {
    network("tiny-unet-a");
}

#[test]
fn network_b() {
    network("tiny-unet-b");
}

#[test]
fn decoder() {
    let fixture = Fixture::open("fixtures/tiny-vae/io.safetensors");
    let config = VaeConfig::read(asset("fixtures/tiny-vae/config.json")).unwrap();
    let inputs = vec![(vae_decoder::LATENT, image(&fixture, "in:latent"))];
    for approx in [Approx::Precise, Approx::Loose] {
        let graph = vae_decoder::graph(&config, 1, [8, 8], Latent::Decoder).unwrap();
        let (worst, relative) = forward(graph, checkpoint("tiny-vae"), &inputs, plan(approx));
        println!("decoder, {approx}: largest error {worst:.5}, relative {relative:.5}");
        assert!(worst <= 0.03, "{approx}: {worst}");
    }
}

/// The shipped model: trained weights have larger outliers than random ones.
#[test]
fn the_shipped_model() {
    let model = StableDiffusion::open(asset("mini-sd")).unwrap();
    let fixture = Fixture::open("mini-sd/reference.safetensors");
    let ids: Vec<f32> = fixture.i64("in:input_ids").iter().map(|id| *id as f32).collect();
    let latent = image(&fixture, "in:z_T");
    let half = |x: &[f32]| x[..x.len() / 2].to_vec();
    let context = fixture.f32("exact:context");
    for approx in [Approx::Precise, Approx::Loose] {
        let inputs = vec![(clip_text::TOKENS, half(&ids))];
        let text = forward(model.config.text_graph(2).unwrap(), model.text.clone(), &inputs, clip_text::plan(approx));
        let inputs = vec![
            (unet2d_condition::SAMPLE, half(&latent)),
            (unet2d_condition::CONTEXT, half(&context)),
            (unet2d_condition::TIME_FEATURES, model.config.time_features(501, 2)),
        ];
        let unet = forward(model.config.unet_graph(2).unwrap(), model.unet.clone(), &inputs, plan(approx));
        let inputs = vec![(vae_decoder::LATENT, image(&fixture, "exact:s4:z_0")[..256].to_vec())];
        let vae = forward(model.config.vae_graph(1).unwrap(), model.vae.clone(), &inputs, plan(approx));
        println!("{approx}: text encoder {text:.5?}, network {unet:.5?}, decoder {vae:.5?}");
        assert!(text.1 <= 0.01 && unet.0 <= 0.03 && vae.0 <= 0.03, "{approx}: {text:?} {unet:?} {vae:?}");
    }
}
