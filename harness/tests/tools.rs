//! The tools around models: `model-info`, `forward`, `make-weights`, `bench modules`, and what they say about folders that are wrong.
//!
//! What belongs here: real processes on the fixtures. What single functions do is tested beside them.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, asset};
use harness::bench::modules::Report;
use masque_engine::graph::Tensor;
use masque_models::forward::Difference;
use masque_models::{TensorFile, tensors};
use serde_json::{Value, json};

/// Tensors of an input file.
type Inputs = Vec<(&'static str, Tensor)>;

const MODULES: [(&str, &str); 5] = [
    ("tiny-text", "text encoder"),
    ("tiny-unet-a", "conditional UNet"),
    ("tiny-unet-b", "conditional UNet"),
    ("tiny-unet-class", "class-conditional UNet"),
    ("tiny-vae", "VAE decoder"),
];

/// `harness forward` on a fixture's own tensors: the result, and its difference from the recorded one, which must be what the
/// terminal shows.
fn forward(place: &Place, name: &str, kind: &str, flags: &[&str]) -> (Tensor, Difference) {
    let (module, io) = (asset(&format!("fixtures/{name}")), asset(&format!("fixtures/{name}/io.safetensors")));
    let out = format!("{name}-out.safetensors");
    let (module, inputs) = (module.display().to_string(), io.display().to_string());
    let args = ["forward", &module, "--inputs", &inputs, "--output", &out, "--expect", "out", "--quiet"];
    let end = place.start(&[&args, flags].concat()).end();
    assert_eq!(end.code, Some(0), "{name}: {end:?}");
    assert!(end.stdout.contains(kind) && end.stdout.contains(&out), "{name}: {end:?}");
    let read = |path: &Path| TensorFile::open(path).unwrap().tensor("out").unwrap();
    let got = read(&place.path(&out));
    let d = Difference::of(&got, &read(&io)).unwrap();
    let shown = format!("largest error {:.3e}, relative {:.3e}, mean {:.3e}", d.largest, d.relative, d.mean);
    assert!(end.stdout.contains(&shown), "{shown} is not in {:?}", end.stdout);
    (got, d)
}

#[test]
fn modules_in_plaintext_are_the_recorded_ones() {
    let place = Place::new();
    for (name, kind) in MODULES {
        let (_, d) = forward(&place, name, kind, &["--tolerance", "2e-4"]);
        assert!(d.relative <= 2e-4, "{name}: {d:?}");
        // Another function is another result, and beyond the tolerance an error that leaves the result.
        let module = asset(&format!("fixtures/{name}")).display().to_string();
        let inputs = format!("{module}/io.safetensors");
        let args = ["forward", &module, "--inputs", &inputs, "--output", "loose.safetensors", "--approx", "loose"];
        place
            .start(&[&args[..], &["--expect", "out", "--tolerance", "1e-9", "-q"]].concat())
            .fails(&["--tolerance 1e-9"]);
        assert!(place.path("loose.safetensors").is_file());
    }
}

#[test]
fn modules_on_shares_are_close() {
    let place = Place::new();
    for (name, kind, approx) in [
        ("tiny-text", "text encoder", "precise"),
        ("tiny-unet-a", "conditional UNet", "precise"),
        ("tiny-unet-b", "conditional UNet", "loose"),
        ("tiny-unet-class", "class-conditional UNet", "precise"),
        ("tiny-vae", "VAE decoder", "precise"),
    ] {
        let (plain, _) = forward(&place, name, kind, &["--approx", approx]);
        let (shared, _) = forward(&place, name, kind, &["--mode", "secure", "--approx", approx]);
        let d = Difference::of(&shared, &plain).unwrap();
        println!("{name}, {approx}: {d:?}");
        // Fixed point is never exact: an equal result would be the plaintext one.
        assert!(d.largest > 0.0 && d.largest <= 0.03, "{name}: {d:?}");
    }
}

/// Sizes that the fixture does not have: the result must be that of each sample by itself.
#[test]
fn any_batch_and_size() {
    let place = Place::new();
    let io = TensorFile::open(asset("fixtures/tiny-unet-b/io.safetensors")).unwrap();
    let sample = io.tensor("in:sample").unwrap();
    // The lower half of the sample, then its upper half: 8 x 16.
    let rows = |from: usize| -> Vec<f32> {
        sample.data.chunks_exact(16 * 16).flat_map(|c| c[from * 16..(from + 8) * 16].to_vec()).collect()
    };
    let context = io.tensor("in:encoder_hidden_states").unwrap();
    let files: Vec<(String, Vec<f32>, f32)> = vec![("lower".into(), rows(8), 981.0), ("upper".into(), rows(0), 21.0)];
    let module = asset("fixtures/tiny-unet-b").display().to_string();
    let run = |name: &str, n: usize, sample: Vec<f32>, times: Vec<f32>| {
        let inputs = [
            ("sample", vec![n, 4, 8, 16], sample),
            ("timestep", vec![n], times),
            ("encoder_hidden_states", vec![n, 7, 32], context.data.repeat(n)),
        ];
        tensors::write_all(&place.path(name), &inputs.map(|(n, shape, data)| (n, tensor(shape, data)))).unwrap();
        let out = format!("{name}-out");
        place.start(&["forward", &module, "--inputs", name, "--output", &out, "-q"]).succeeds();
        TensorFile::open(place.path(&out)).unwrap().tensor("out").unwrap()
    };
    let alone: Vec<f32> = files.iter().flat_map(|(name, x, t)| run(name, 1, x.clone(), vec![*t]).data).collect();
    let together =
        run("both", 2, files.iter().flat_map(|f| f.1.clone()).collect(), files.iter().map(|f| f.2).collect());
    assert_eq!(together.shape, [2, 4, 8, 16]);
    let d = Difference::of(&together, &tensor(together.shape.clone(), alone)).unwrap();
    assert!(d.relative <= 1e-5, "{d:?}");
}

fn tensor(shape: Vec<usize>, data: Vec<f32>) -> Tensor {
    Tensor { shape, data }
}

#[test]
fn wrong_tensors_are_named() {
    let place = Place::new();
    let module = asset("fixtures/tiny-unet-a").display().to_string();
    let good = [
        ("sample", tensor(vec![1, 4, 8, 8], vec![0.5; 256])),
        ("timestep", tensor(vec![], vec![7.0])),
        ("encoder_hidden_states", tensor(vec![1, 3, 32], vec![0.1; 96])),
    ];
    let fails = |change: &dyn Fn(&mut Inputs), flags: &[&str], names: &[&str]| {
        let mut inputs = good.to_vec();
        change(&mut inputs);
        tensors::write_all(&place.path("bad.safetensors"), &inputs).unwrap();
        let args = ["forward", &module, "--inputs", "bad.safetensors", "--output", "none.safetensors", "-q"];
        place.start(&[&args, flags].concat()).fails(names);
        assert!(!place.path("none.safetensors").exists());
    };
    fails(&|t| drop(t.remove(2)), &[], &["bad.safetensors: encoder_hidden_states: missing"]);
    fails(&|t| t[0].1 = tensor(vec![1, 3, 8, 8], vec![0.5; 192]), &[], &["sample: shape [1, 3, 8, 8]", "[n, 4, h, w]"]);
    fails(&|t| t[0].1 = tensor(vec![1, 4, 7, 8], vec![0.5; 224]), &[], &["7x8", "multiples of 2"]);
    fails(&|t| t[0].1.data[3] = f32::NAN, &[], &["sample", "NaN at index 3"]);
    fails(&|t| t[1].1.data[0] = -1.0, &[], &["timestep: -1"]);
    fails(&|t| t[1].1 = tensor(vec![3], vec![1.0; 3]), &[], &["timestep: shape [3]"]);
    fails(&|t| t[2].1 = tensor(vec![2, 3, 32], vec![0.1; 192]), &[], &["encoder_hidden_states: shape"]);
    fails(&|t| t.push(("in:class_labels", tensor(vec![1], vec![0.0]))), &[], &["no input class_labels"]);
    fails(&|_| (), &["--expect", "out"], &["no tensor is called out; there are: encoder_hidden_states, sample"]);
    fails(&|_| (), &["--expect", "timestep"], &["result has shape [1, 4, 8, 8], the expected tensor []"]);
    fails(&|_| (), &["--mode", "secure", "--approx", "exact"], &["--approx precise"]);
    // Values that shares of this plan cannot hold are refused, not computed wrongly.
    fails(&|t| t[0].1.data[0] = 1e7, &["--mode", "secure"], &["variance of a group", "fixed-point plan"]);
    let ids =
        |ids: Vec<f32>| tensors::write_all(&place.path("ids"), &[("input_ids", tensor(vec![1, 2], ids))]).unwrap();
    let text = asset("fixtures/tiny-text").display().to_string();
    for (bad, name) in [(512.0, "512"), (0.5, "0.5"), (-1.0, "-1")] {
        ids(vec![0.0, bad]);
        place.start(&["forward", &text, "--inputs", "ids", "--output", "none", "-q"]).fails(&[
            "input_ids",
            name,
            "below 512",
        ]);
    }
    let pipeline = asset("mini-sd").display().to_string();
    place.start(&["forward", &pipeline, "--inputs", "ids", "--output", "none"]).fails(&["name the folder of one"]);
    place.start(&["forward", &text, "--inputs", "ids", "--output", "no/such/folder"]).fails(&["no/such/folder"]);
}

/// Copies the small text-to-image model without its tokenizer into a place.
fn pipeline(place: &Place) {
    for folder in ["scheduler", "text_encoder", "unet", "vae", ""] {
        let to = place.path("sd").join(folder);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(asset("mini-sd").join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

#[test]
fn configurations_that_cannot_be_run_name_file_and_field() {
    let place = Place::new();
    pipeline(&place);
    let unet = "sd/unet/config.json";
    let scheduler = "sd/scheduler/scheduler_config.json";
    let cases: [(&str, &str, Value, &[&str]); 12] = [
        (unet, "down_block_types", json!(["KCrossAttnDownBlock2D", "DownBlock2D"]), &["KCrossAttnDownBlock2D", "only"]),
        (unet, "mid_block_type", json!("UNetMidBlock2DSimpleCrossAttn"), &["UNetMidBlock2DSimpleCrossAttn"]),
        (unet, "act_fn", json!("mish"), &["mish", "silu"]),
        (unet, "block_out_channels", json!("many"), &["many"]),
        (unet, "norm_num_groups", json!(7), &["7 does not divide 32"]),
        (unet, "time_gate", json!(3), &["unknown field"]),
        (
            "sd/vae/config.json",
            "up_block_types",
            json!(["AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]),
            &["AttnUpDecoderBlock2D"],
        ),
        ("sd/text_encoder/config.json", "hidden_act", json!("swish"), &["swish"]),
        (scheduler, "_class_name", json!("HeunDiscreteScheduler"), &["HeunDiscreteScheduler", "DDIMScheduler"]),
        (scheduler, "prediction_type", json!("v_prediction"), &["v_prediction", "epsilon"]),
        (scheduler, "beta_schedule", json!("exponential"), &["exponential"]),
        ("sd/model_index.json", "unet", json!(["diffusers", "FluxTransformer2DModel"]), &["FluxTransformer2DModel"]),
    ];
    for (file, field, value, names) in cases {
        let before = fs::read(place.path(file)).unwrap();
        edit(&place.path(file), |v| v[field] = value);
        let expected = format!("{file}: {field}: ");
        place.start(&["model-info", "sd"]).fails(&[&[expected.as_str()], names].concat());
        fs::write(place.path(file), before).unwrap();
    }
    // Parts that do not fit each other.
    let before = fs::read(place.path(unet)).unwrap();
    edit(&place.path(unet), |v| v["cross_attention_dim"] = json!(96));
    place.start(&["model-info", "sd"]).fails(&["unet cross_attention_dim is 96", "text_encoder hidden_size is 64"]);
    fs::write(place.path(unet), before).unwrap();
    for file in [unet, scheduler, "sd/vae/config.json", "sd/text_encoder/config.json", "sd/model_index.json"] {
        let text = fs::read(place.path(file)).unwrap();
        fs::remove_file(place.path(file)).unwrap();
        place.start(&["model-info", "sd"]).fails(&[file]);
        fs::write(place.path(file), &text[..text.len() / 2]).unwrap();
        place.start(&["model-info", "sd"]).fails(&[file, "not JSON"]);
        fs::write(place.path(file), text).unwrap();
    }
    place.start(&["model-info", "sd"]).succeeds();
    place.start(&["model-info", "elsewhere"]).fails(&["elsewhere", "sd15"]);
}

#[test]
fn weights_that_do_not_fit_name_file_and_tensor() {
    let place = Place::new();
    pipeline(&place);
    tensors::write_all(&place.path("in"), &[("latent", tensor(vec![1, 4, 8, 8], vec![0.1; 256]))]).unwrap();
    let forward = || place.start(&["forward", "sd/vae", "--inputs", "in", "--output", "out", "-q"]);
    let (file, config) = ("sd/vae/diffusion_pytorch_model.safetensors", "sd/vae/config.json");
    let before = fs::read(place.path(config)).unwrap();
    // The configuration asks for other widths, or for a layer more, than the file has.
    edit(&place.path(config), |v| v["block_out_channels"] = json!([16, 32, 72]));
    forward().fails(&[file, "tensor decoder.conv_in.weight has shape [64, 4, 3, 3], expected [72, 4, 3, 3]"]);
    edit(&place.path(config), |v| v["block_out_channels"] = json!([16, 32, 64]));
    edit(&place.path(config), |v| v["layers_per_block"] = json!(2));
    forward().fails(&[file, "tensor decoder.up_blocks.0.resnets.2.", "is missing"]);
    edit(&place.path(config), |v| v["layers_per_block"] = json!(0));
    forward().fails(&[config, "layers_per_block"]);
    fs::write(place.path(config), before).unwrap();
    let bytes = fs::read(place.path(file)).unwrap();
    fs::write(place.path(file), &bytes[..bytes.len() - 2]).unwrap();
    forward().fails(&[file, "truncated"]);
    fs::remove_file(place.path(file)).unwrap();
    forward().fails(&[file, "no such file"]);
    fs::write(place.path(file), bytes).unwrap();
    forward().succeeds();
}

#[test]
fn make_weights_refuses_what_it_would_spoil() {
    let place = Place::new();
    fs::create_dir_all(place.path("full/unet")).unwrap();
    fs::write(place.path("full/unet/config.json"), "{}").unwrap();
    place.start(&["make-weights", "--out", "full"]).fails(&["full/unet/config.json", "choose an empty folder"]);
    assert_eq!(fs::read(place.path("full/unet/config.json")).unwrap(), b"{}");
    fs::write(place.path("file"), "").unwrap();
    place.start(&["make-weights", "--out", "file"]).fails(&["file"]);
    place.start(&["make-weights", "--out", "new", "--tokenizer", "nowhere"]).fails(&["nowhere/vocab.json"]);
    assert_eq!(place.start(&["make-weights", "--config", "sd16", "--out", "new"]).end().code, Some(2));
}

/// `harness bench modules` with its JSON and CSV.
fn bench(place: &Place, flags: &[&str]) -> (String, Report, String) {
    let files = ["--json", "bench.json", "--csv", "bench.csv"];
    let end = place.start(&[&["bench", "modules"], flags, &files].concat()).end();
    assert_eq!(end.code, Some(0), "{end:?}");
    let json = fs::read(place.path("bench.json")).unwrap();
    (end.stdout, serde_json::from_slice(&json).unwrap(), fs::read_to_string(place.path("bench.csv")).unwrap())
}

#[test]
fn modules_are_measured_beside_the_paper() {
    let (place, model) = (Place::new(), asset("mini-sd").display().to_string());
    let (text, report, csv) = bench(&place, &["--model", &model, "--module", "unet", "--link", "lan;100mbit,10ms"]);
    let [row] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        (row.module.as_str(), row.shape.as_slice(), row.parameters),
        ("conditional UNet", &[2, 8, 8, 4][..], 803_204)
    );
    assert!(row.max_error > 0.0 && row.max_error <= 0.03, "{row:?}");
    // Each link takes the time of its bytes and rounds: a message arrives half a round trip later, and both directions are
    // independent.
    let bits = 8.0 * row.to_server_bytes.max(row.to_client_bytes) as f64;
    for (timed, bandwidth, trip) in [(&row.times[0], 3e9, 0.3e-3), (&row.times[1], 100e6, 10e-3)] {
        let least = bits / bandwidth + row.rounds * trip / 2.0;
        assert!(timed.total_s.median >= least, "{timed:?} is less than {least}");
    }
    assert!(row.offline_bytes > 0 && row.setup_bytes > 0 && row.compute_s.median > 0.0 && row.offline_s.median > 0.0);
    for part in ["conditional UNet 2x8x8x4", "paper", "1122.51 GB", "Weights are shared once a session"] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    // The link's name holds a comma of its own.
    let counts: Vec<usize> = csv.lines().map(|l| l.split(',').count()).collect();
    assert_eq!(counts, [counts[0], counts[0] + 1, counts[0] + 1], "{csv}");

    // Dealt meanwhile: the same costs as dealt before.
    let one = |flags: &[&str]| {
        bench(
            &place,
            &[&["--model", &model, "--module", "vae", "--link", "loopback", "--approx", "loose"], flags].concat(),
        )
        .1
    };
    let (before, meanwhile) = (one(&[]), one(&["--overlap", "--repeat", "2"]));
    assert!(before.dealt_before && !meanwhile.dealt_before);
    let cost = |r: &Report| {
        let row = &r.rows[0];
        (row.module.clone(), row.to_server_bytes, row.to_client_bytes, row.offline_bytes, row.rounds.to_string())
    };
    assert_eq!(cost(&before), cost(&meanwhile));
    let docs = include_str!("../../docs/benchmarks.md");
    let value = serde_json::to_value(&report).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for key in [keys(&value), keys(&value["rows"][0]), keys(&value["rows"][0]["times"][0])].concat() {
        assert!(docs.contains(&format!("`{key}`")), "docs/benchmarks.md does not describe {key}");
    }
}

#[test]
fn benches_of_modules_that_are_not_there_fail() {
    let (place, model) = (Place::new(), asset("mini-sd").display().to_string());
    place.start(&["bench", "modules", "--model", &model, "--module", "encoder"]).fails(&["--module encoder", "vae"]);
    // Variances that its normalisations' rings cannot hold.
    fs::create_dir(place.path("wide")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(asset("fixtures/tiny-vae").join(file), place.path("wide").join(file)).unwrap();
    }
    let config = place.path("wide/config.json");
    let mut fields: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    fields["fixed_point"] = json!({ "variance": [-12, 24] });
    fs::write(&config, fields.to_string()).unwrap();
    place.start(&["bench", "modules", "--model", "wide"]).fails(&["sums of squares need", "fixed_point"]);
    place.start(&["bench", "modules", "--model", "nowhere"]).fails(&["nowhere", "sd15"]);
    place.start(&["bench", "modules", "--model", &model, "--json", "no/such/folder"]).fails(&["no/such/folder"]);
    assert_eq!(place.start(&["bench", "modules", "--model", &model, "--approx", "exact"]).end().code, Some(2));
}
