//! What models cost, from their graphs alone, and weights that follow a rule: against what torch counted and filled in.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::asset;
use masque_engine::exec::PlanConfig;
use masque_engine::graph::{Graph, Shape, WeightSpec, WeightStore, elements};
use masque_models::config::FixedPoint;
use masque_models::presets::Preset;
use masque_models::vae_decoder::Latent;
use masque_models::{Checkpoint, Info, StableDiffusion, StableDiffusionConfig, VaeConfig, vae_decoder, weight_rule};

fn recorded_counts(name: &str) -> BTreeMap<String, u64> {
    let counts = ["counts.json", "counts-trained.json"].map(|f| fs::read(asset(&format!("fixtures/{f}"))).unwrap());
    let all = counts.map(|c| serde_json::from_slice::<BTreeMap<String, BTreeMap<String, u64>>>(&c).unwrap());
    all.into_iter().find_map(|mut c| c.remove(name)).unwrap()
}

/// Compares a graph with what hooks counted in torch, which applies the embedding's SiLU in every residual block.
fn costs(graph: &Graph, name: &str, repeated: u64, parameters: Option<&str>) {
    let (info, want) = (Info::of(graph), recorded_counts(name));
    let of = |field: &str| want.get(field).copied().unwrap_or(0);
    println!("{name}: {info:?}");
    if let Some(field) = parameters {
        assert_eq!(info.parameters, of(field), "{name}");
    }
    assert_eq!(info.macs, of("mac.total"), "{name}");
    for (operation, field) in [
        ("attention", "elements.softmax"),
        ("gelu", "elements.gelu"),
        ("quick_gelu", "elements.quick_gelu"),
        ("group_norm", "elements.groupnorm"),
        ("layer_norm", "elements.layernorm"),
    ] {
        assert_eq!(info.evaluated(operation), of(field), "{name}: {operation}");
    }
    assert_eq!(info.evaluated("silu") + repeated, of("elements.silu"), "{name}: silu");
}

#[test]
fn costs_are_those_counted_in_torch() {
    let sd = Preset::named("sd15").unwrap().config().unwrap();
    let unet = sd.unet_graph(1).unwrap();
    assert_eq!((Info::of(&unet).parameters, Info::of(&unet).evaluated("attention")), (859_520_964, 732_283_392));
    costs(&unet, "sd15_unet_64x64_batch1", 21 * 1280, Some("parameters"));
    costs(&sd.text_graph(1).unwrap(), "sd15_text_77_tokens", 0, Some("parameters"));
    let vae = vae_decoder::graph(&sd.vae, 1, [64, 64], Latent::Decoder).unwrap();
    costs(&vae, "sd15_vae_decoder_64x64_to_512x512", 0, Some("parameters_decoder_only"));

    let mini = StableDiffusionConfig::read(asset("mini-sd")).unwrap();
    costs(&mini.unet_graph(1).unwrap(), "mini-sd unet, 8x8 latent, 16 tokens, batch 1", 7 * 128, Some("parameters"));
    costs(&mini.text_graph(1).unwrap(), "mini-sd text encoder, 16 tokens", 0, Some("parameters"));
    // Counted with the encoder's parameters.
    let vae = vae_decoder::graph(&mini.vae, 1, [8, 8], Latent::Decoder).unwrap();
    costs(&vae, "mini-sd vae decoder, 8x8 -> 32x32", 0, None);
}

/// Names and shapes of all weights of the preset are those of the published model.
#[test]
fn weights_of_the_full_size_model() {
    let tensors: BTreeMap<String, BTreeMap<String, Shape>> =
        serde_json::from_slice(&fs::read(asset("fixtures/full-tensors.json")).unwrap()).unwrap();
    let sd = Preset::named("sd15").unwrap().config().unwrap();
    for (part, graph) in [("unet", sd.unet_graph(1)), ("text_encoder", sd.text_graph(1)), ("vae", sd.vae_graph(1))] {
        let named: BTreeMap<String, Shape> = graph.unwrap().weights().into_iter().map(|w| (w.name, w.shape)).collect();
        let used = |name: &str| !["encoder.", "quant_conv."].iter().any(|prefix| name.starts_with(prefix));
        let expected = tensors[part].clone().into_iter().filter(|(name, _)| used(name)).collect();
        assert_eq!(named, expected, "{part}");
    }
}

#[test]
fn weights_by_the_rule() {
    let check = [0.04737353324890137, 0.9780476093292236, 0.7419732809066772, 0.9607653617858887f64].map(|x| x as f32);
    assert_eq!(weight_rule::stream("check", 4, 1.0, 0.0), check);
    for tag in ["tiny-text", "tiny-unet-a", "tiny-unet-b", "tiny-unet-class", "tiny-vae"] {
        let file = Checkpoint::open(asset(&format!("fixtures/{tag}/model.safetensors"))).unwrap();
        assert!(!file.names().is_empty());
        for name in file.names() {
            let tensor = file.tensor(&name).unwrap();
            assert_eq!(weight_rule::tensor(tag, &name, &tensor.shape), tensor.data, "{tag}/{name}");
        }
    }
}

#[test]
fn weights_by_the_rule_are_written_as_files() {
    let config = VaeConfig::read(asset("fixtures/tiny-vae/config.json")).unwrap();
    let specs = vae_decoder::graph(&config, 1, [8, 8], Latent::Decoder).unwrap().weights();
    let shipped = Checkpoint::open(asset("fixtures/tiny-vae/model.safetensors")).unwrap();
    let store = weight_rule::RuleWeights::new("tiny-vae", specs.clone());
    let folder = tempfile::tempdir().unwrap();
    for (precision, tolerance) in [(weight_rule::Precision::Single, 0.0), (weight_rule::Precision::Half, 5e-4)] {
        let path = folder.path().join("w.safetensors");
        let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
        let bytes = weight_rule::write(&mut out, "tiny-vae", &specs, precision).unwrap();
        drop(out);
        assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
        let file = Checkpoint::open(&path).unwrap();
        file.check(&specs).unwrap();
        for w in &specs {
            let (a, b) = (file.tensor(&w.name).unwrap(), shipped.tensor(&w.name).unwrap());
            assert!(common::distance(&a.data, &b.data) <= tolerance, "{}", w.name);
            assert_eq!(store.tensor(&w.name).unwrap(), b, "{}", w.name);
        }
    }
    assert!(store.tensor("absent").unwrap_err().to_string().contains("absent"));
    let other = weight_rule::RuleWeights::new("other", specs.clone());
    assert!(
        other.digest() != store.digest() && store.digest() == weight_rule::RuleWeights::new("tiny-vae", specs).digest()
    );
}

/// A preset of the tiny networks, whose weights the fixtures hold.
#[test]
fn folders_that_are_made_open() {
    const TINY: Preset = Preset {
        name: "tiny",
        files: &[
            ("model_index.json", include_str!("../presets/sd15/model_index.json")),
            ("scheduler/scheduler_config.json", include_str!("../presets/sd15/scheduler/scheduler_config.json")),
            ("text_encoder/config.json", r#"{"vocab_size": 49408, "hidden_size": 32, "num_hidden_layers": 1}"#),
            ("unet/config.json", include_str!("../../assets/fixtures/tiny-unet-a/config.json")),
            ("vae/config.json", include_str!("../../assets/fixtures/tiny-vae/config.json")),
        ],
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut done, mut total) = (Vec::new(), 0, 0);
    let tokenizer = asset("mini-sd/tokenizer");
    TINY.write(folder.path(), weight_rule::Precision::Single, Some(&tokenizer), &mut |now| {
        if files.last().is_none_or(|f| f != now.file) {
            files.push(now.file.to_owned());
        }
        assert!(now.done >= done && now.done <= now.total);
        (done, total) = (now.done, now.total);
    })
    .unwrap();
    let sizes = files.iter().map(|f| fs::metadata(folder.path().join(f)).unwrap().len());
    assert_eq!((files.len(), done, total), (3, sizes.clone().sum(), sizes.sum()));
    let model = StableDiffusion::open(folder.path()).unwrap();
    assert_eq!(model.config, TINY.config().unwrap());
    let shipped = Checkpoint::open(asset("fixtures/tiny-vae/model.safetensors")).unwrap();
    assert_eq!(model.vae.tensor("decoder.conv_in.bias").unwrap(), shipped.tensor("decoder.conv_in.bias").unwrap());
    assert!(
        fs::read_dir(folder.path().join("unet")).unwrap().all(|f| f.unwrap().path().extension().unwrap() != "part")
    );
    let length: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("tokenizer/tokenizer_config.json")).unwrap()).unwrap();
    assert_eq!(length["model_max_length"], model.config.tokens());

    // A second time: complete files stay, an unfinished model is completed, other files are not touched.
    let path = |name: &str| folder.path().join(name);
    let age = |name: &str| fs::metadata(path(name)).unwrap().modified().unwrap();
    let (unet, vae) = ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors");
    let (before, bytes) = (age(unet), fs::read(path(vae)).unwrap());
    fs::remove_file(path(vae)).unwrap();
    let again = |precision| TINY.write(folder.path(), precision, Some(&tokenizer), &mut |_| ());
    again(weight_rule::Precision::Single).unwrap();
    assert!(age(unet) == before && fs::read(path(vae)).unwrap() == bytes);
    let message = again(weight_rule::Precision::Half).unwrap_err().to_string();
    assert!(message.contains("text_encoder/model.safetensors: another file is there"), "{message}");
    fs::write(path("vae/config.json"), "{}").unwrap();
    let message = again(weight_rule::Precision::Single).unwrap_err().to_string();
    assert!(message.contains("vae/config.json: another file is there"), "{message}");
    let message =
        TINY.write(&path("model_index.json"), weight_rule::Precision::Half, None, &mut |_| ()).unwrap_err().to_string();
    assert!(message.contains("model_index.json"), "{message}");
    assert!(Preset::named("sd3").unwrap_err().to_string().contains("known: sd15"));
}

#[test]
fn weights_belong_to_one_node_each() {
    let sd = Preset::named("sd15").unwrap().config().unwrap();
    for graph in [sd.unet_graph(1), sd.text_graph(1), sd.vae_graph(1)].map(Result::unwrap) {
        let weights: Vec<WeightSpec> = graph.weights();
        let names: BTreeSet<&str> = weights.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names.len(), weights.len(), "{}", graph.name);
        assert!(weights.iter().all(|w| elements(&w.shape) > 0));
    }
}

#[test]
fn the_full_model_has_plans() {
    let sd = Preset::named("sd15").unwrap().config().unwrap();
    let usual = PlanConfig::default;
    let unet = sd.unet.fixed_point.plan(&sd.unet_graph(2).unwrap(), usual()).unwrap();
    assert_eq!((unet.config.activation, unet.ring), (11, 52));
    assert!(unet.nodes.iter().all(|n| n.layer.is_none_or(|k| k <= 64)));
    // Groups of 512 x 512 x 8 elements: two bits less for sums of squares.
    let vae = sd.vae.fixed_point.plan(&sd.vae_graph(1).unwrap(), usual()).unwrap();
    assert_eq!((vae.config.activation, vae.ring), (10, 52));
    // What a configuration says is taken as it is.
    let asked = FixedPoint { activation: Some(12), ..FixedPoint::default() };
    let refused = asked.plan(&sd.vae_graph(1).unwrap(), usual()).unwrap_err().to_string();
    assert!(refused.contains("sums of squares need 56 bits") && refused.contains("fixed_point"), "{refused}");
}
