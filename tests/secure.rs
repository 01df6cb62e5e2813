//! Whole networks on shares against the same networks in plaintext.

use std::path::Path;
use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::{Input, Plain, Plan, PlanConfig, Secure};
use masque_engine::graph::{Graph, WeightStore};
use masque_engine::protocol::{Role, Share};
use masque_engine::testing::{World, reconstruct, words};
use masque_models::{Checkpoint, ClassModel, UNet2dConfig, initial_noise, unet2d};

fn asset(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(path)
}

/// One evaluation of a class-conditional network on shares and in plaintext: the largest difference.
fn forward(
    world: &World,
    config: &UNet2dConfig,
    weights: Arc<dyn WeightStore>,
    n: usize,
    t: f32,
    approx: Approx,
) -> f64 {
    let graph: Arc<Graph> = Arc::new(unet2d::graph(config, n).unwrap());
    let len = config.sample_size.iter().product::<usize>() * config.in_channels;
    let classes = config.num_class_embeds.unwrap();
    let sample: Vec<f32> = (0..n).flat_map(|i| initial_noise(5, i as u64, len)).collect();
    let class: Vec<f32> =
        (0..n * classes).map(|i| f32::from(u8::from(i % classes == (i / classes) % classes))).collect();
    let time =
        unet2d::timestep_features(t, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift).repeat(n);
    let mut plain = Plain::new(world.gpu(), graph.clone(), weights.clone(), approx);
    let want = plain.run(&[("sample", &sample), ("time_features", &time), ("class", &class)]).unwrap();
    let port = PlanConfig::default().port;
    let fixed =
        |x: &[f32]| x.iter().map(|v| (f64::from(*v) * f64::from(port).exp2()).round() as i64).collect::<Vec<_>>();
    let (fs, fc) = (fixed(&sample), fixed(&class));
    let out = world.run_into(|w, ctx| {
        let plan = Plan::new(&graph, PlanConfig { approx, ..PlanConfig::default() }).unwrap();
        let store = (ctx.role == Role::Server).then(|| weights.clone());
        let mut s = Secure::new(ctx, graph.clone(), plan, store).unwrap();
        s.begin();
        let sample: Share = w.share(&mut s.ctx, "sample", &fs, 64, port)?;
        let class: Share = w.share(&mut s.ctx, "class", &fc, 64, port)?;
        let inputs = [
            ("sample", Input::Shared(sample)),
            ("time_features", Input::Public(time.clone())),
            ("class", Input::Shared(class)),
        ];
        let y = s.forward(&inputs).unwrap();
        let out = words(&mut s.ctx, &y)?;
        s.ctx.finish()?;
        let cost = s.ctx.cost();
        Ok((out, y.k, y.f, cost))
    });
    let (client, server) = (&out[0], &out[1]);
    let y = reconstruct(&client.0, &server.0, client.1);
    println!("cost {:?}", client.3);
    let unit = f64::from(client.2).exp2();
    y.iter().zip(&want).map(|(y, w)| (*y as f64 / unit - f64::from(*w)).abs()).fold(0.0, f64::max)
}

#[test]
fn a_tiny_network_on_shares() {
    let config = UNet2dConfig::read(asset("fixtures/tiny-unet-class/config.json")).unwrap();
    let weights = Arc::new(Checkpoint::open(asset("fixtures/tiny-unet-class/model.safetensors")).unwrap());
    for approx in [Approx::Precise, Approx::Loose] {
        let worst = forward(&World::new(31), &config, weights.clone(), 2, 301.0, approx);
        println!("{approx}: max abs error {worst}");
        assert!(worst <= 0.03, "{approx}: {worst}");
    }
}

#[test]
fn the_digit_model_on_shares() {
    let model = ClassModel::open(asset("binary-mnist")).unwrap();
    let worst = forward(&World::new(32), &model.config, Arc::new(model.weights), 2, 500.0, Approx::Loose);
    println!("max abs error {worst}");
    assert!(worst <= 0.02, "{worst}");
}
