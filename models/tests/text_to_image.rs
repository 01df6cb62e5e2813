//! Text-to-image folders: configurations, weights in one file or several, and how folders can be wrong.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::asset;
use masque_engine::graph::ops::Function;
use masque_engine::graph::{Visibility, WeightStore};
use masque_models::config::{Consistency, SchedulerConfig};
use masque_models::presets::Preset;
use masque_models::{
    Checkpoint, ClipTextConfig, Info, Sampler, StableDiffusion, UNet2dConditionConfig, clip_text, unet2d_condition,
    vae_decoder,
};
use safetensors::tensor::{SafeTensors, serialize_to_file};
use serde_json::{Value, json};

/// A copy of the shipped model without its tokenizer's large files, which are linked.
fn copy() -> tempfile::TempDir {
    fn walk(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if path.is_dir() { walk(&path, &target) } else { fs::copy(&path, &target).map(|_| ()).unwrap() }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    walk(&asset("mini-sd"), folder.path());
    folder
}

fn edit(file: &Path, field: &str, value: Value) {
    let mut config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    config.as_object_mut().unwrap().insert(field.into(), value);
    fs::write(file, config.to_string()).unwrap();
}

#[test]
fn the_shipped_model_opens() {
    let model = StableDiffusion::open(asset("mini-sd")).unwrap();
    let c = &model.config;
    assert_eq!((c.tokens(), c.latent_len(), c.context_len(), c.image_size()), (16, 256, 1024, [32, 32]));
    assert_eq!((c.unet.heads.as_slice(), c.unet.layers_per_block.as_slice()), ([4, 4].as_slice(), [1, 1].as_slice()));
    assert_eq!(
        (c.unet.down_attention.as_slice(), c.unet.up_attention.as_slice()),
        ([true, false].as_slice(), [false, true].as_slice())
    );
    assert_eq!((c.text.hidden_act, c.unet.act_fn, c.vae.act_fn), (Function::QuickGelu, Function::Silu, Function::Silu));
    assert_eq!((c.scheduler.sampler, c.vae.scaling_factor), (Sampler::Ddim, 0.47831));
    for (graph, name, shape) in [
        (c.text_graph(2).unwrap(), clip_text::TOKENS, vec![2, 16]),
        (c.unet_graph(3).unwrap(), unet2d_condition::CONTEXT, vec![3, 16, 64]),
        (c.vae_graph(1).unwrap(), vae_decoder::LATENT, vec![1, 8, 8, 4]),
    ] {
        let input = graph.node(graph.input(name).unwrap());
        assert_eq!((&input.shape, input.visibility), (&shape, Visibility::Secret), "{name}");
    }
    assert_eq!(model.tokenizer.encode("a red dress").unwrap().ids.len(), 16);
}

#[test]
fn folders_that_are_wrong_say_where() {
    type Spoil = fn(&Path);
    let cases: [(&[&str], Spoil); 15] = [
        (&["unet/diffusion_pytorch_model.safetensors: ", "safe_serialization"], |f| {
            let file = f.join("unet/diffusion_pytorch_model.safetensors");
            fs::rename(&file, file.with_extension("bin")).unwrap();
        }),
        (&["model_index.json: "], |f| fs::remove_file(f.join("model_index.json")).unwrap()),
        (&["model_index.json: unet: ", "UNet2DModel"], |f| {
            edit(&f.join("model_index.json"), "unet", json!(["diffusers", "UNet2DModel"]));
        }),
        (&["model_index.json: _class_name", "StableDiffusionXLPipeline"], |f| {
            edit(&f.join("model_index.json"), "_class_name", json!("StableDiffusionXLPipeline"));
        }),
        (&["model_index.json: text_encoder_2", "unknown field"], |f| {
            edit(&f.join("model_index.json"), "text_encoder_2", json!(["transformers", "CLIPTextModel"]));
        }),
        (&["text_encoder/config.json: hidden_act", "swish"], |f| {
            edit(&f.join("text_encoder/config.json"), "hidden_act", json!("swish"));
        }),
        (&["hidden_size is 128", "cross_attention_dim is 64"], |f| {
            edit(&f.join("text_encoder/config.json"), "hidden_size", json!(128));
        }),
        (&["unet/config.json: addition_embed_type", "text_time"], |f| {
            edit(&f.join("unet/config.json"), "addition_embed_type", json!("text_time"));
        }),
        (&["unet/config.json: attention_head_dim", "3 heads do not divide 32"], |f| {
            edit(&f.join("unet/config.json"), "attention_head_dim", json!(3));
        }),
        (&["vae/config.json: up_block_types", "AttnUpDecoderBlock2D"], |f| {
            edit(
                &f.join("vae/config.json"),
                "up_block_types",
                json!(["AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]),
            );
        }),
        (&["scheduler_config.json: prediction_type", "v_prediction"], |f| {
            edit(&f.join("scheduler/scheduler_config.json"), "prediction_type", json!("v_prediction"));
        }),
        (&["unet/diffusion_pytorch_model.safetensors: "], |f| {
            fs::remove_file(f.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
        }),
        (&["text_encoder/model.safetensors", "truncated"], |f| {
            let file = f.join("text_encoder/model.safetensors");
            let bytes = fs::read(&file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        (
            &["vae/diffusion_pytorch_model.safetensors", "decoder.up_blocks.0.resnets.2.conv1.weight", "is missing"],
            |f| {
                edit(&f.join("vae/config.json"), "layers_per_block", json!(2));
            },
        ),
        (&["tokenizer/vocab.json: "], |f| fs::remove_file(f.join("tokenizer/vocab.json")).unwrap()),
    ];
    for (parts, spoil) in cases {
        let folder = copy();
        spoil(folder.path());
        let message = StableDiffusion::open(folder.path()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
    }
}

/// Writes a file's tensors to several files and an index, or gives them other names.
fn rewrite(
    file: &Path,
    targets: &[(&Path, &dyn Fn(usize) -> bool)],
    name: &dyn Fn(&str) -> String,
) -> BTreeMap<String, String> {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut map = BTreeMap::new();
    for (target, takes) in targets {
        let part: Vec<_> = tensors
            .tensors()
            .into_iter()
            .enumerate()
            .filter(|(i, _)| takes(*i))
            .map(|(_, (n, t))| (name(&n), t))
            .collect();
        map.extend(part.iter().map(|(n, _)| (n.clone(), target.file_name().unwrap().to_string_lossy().into_owned())));
        serialize_to_file(part, None, target).unwrap();
    }
    map
}

#[test]
fn weights_in_several_files() {
    let folder = copy();
    let unet = folder.path().join("unet");
    let whole = unet.join("diffusion_pytorch_model.safetensors");
    let reference = Checkpoint::open(&whole).unwrap();
    let (a, b) = (unet.join("part-1.safetensors"), unet.join("part-2.safetensors"));
    let map = rewrite(&whole, &[(&a, &|i| i % 3 == 0), (&b, &|i| i % 3 != 0)], &str::to_owned);
    let index = unet.join("diffusion_pytorch_model.safetensors.index.json");
    fs::write(&index, json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string()).unwrap();
    fs::remove_file(&whole).unwrap();
    let model = StableDiffusion::open(folder.path()).unwrap();
    assert_eq!(model.unet.names(), reference.names());
    for name in reference.names() {
        assert_eq!(model.unet.tensor(&name).unwrap(), reference.tensor(&name).unwrap(), "{name}");
    }
    assert_eq!(model.unet.digest(), Checkpoint::open(&index).unwrap().digest());
    assert_ne!(model.unet.digest(), reference.digest());

    let message = |map: Value| {
        fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
        StableDiffusion::open(folder.path()).unwrap_err().to_string()
    };
    let m = message(json!({"conv_in.weight": "part-3.safetensors"}));
    assert!(m.contains("part-3.safetensors: "), "{m}");
    let m = message(json!({"conv_in.weightt": "part-1.safetensors"}));
    assert!(m.contains("index.json") && m.contains("part-1.safetensors holds no tensor conv_in.weightt"), "{m}");
    let m = message(json!({"conv_in.weight": "../unet/part-1.safetensors"}));
    assert!(m.contains("not the name of a file beside it"), "{m}");
    let m = message(json!([1]));
    assert!(m.contains("not an index of weights"), "{m}");
    fs::remove_file(&index).unwrap();
    let half = unet.join("diffusion_pytorch_model.fp16.safetensors");
    fs::copy(asset("mini-sd/unet/diffusion_pytorch_model.safetensors"), &half).unwrap();
    assert_eq!(StableDiffusion::open(folder.path()).unwrap().unet.digest(), reference.digest());
}

#[test]
fn names_of_earlier_and_later_versions() {
    let folder = copy();
    let old = |file: &Path, name: &dyn Fn(&str) -> String| {
        let moved = file.with_extension("old");
        fs::rename(file, &moved).unwrap();
        rewrite(&moved, &[(file, &|_| true)], name);
    };
    let vae = folder.path().join("vae/diffusion_pytorch_model.safetensors");
    let layers = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
    old(&vae, &|n| layers.iter().fold(n.to_owned(), |n, (new, old)| n.replace(new, old)));
    let text = folder.path().join("text_encoder/model.safetensors");
    old(&text, &|n| n.replacen("text_model.", "", 1));
    let model = StableDiffusion::open(folder.path()).unwrap();
    let shipped = StableDiffusion::open(asset("mini-sd")).unwrap();
    for (store, other) in [(&model.vae, &shipped.vae), (&model.text, &shipped.text)] {
        assert_eq!(store.names(), other.names());
    }
}

#[test]
fn schedulers_of_other_classes() {
    let parse = |v: Value| SchedulerConfig::parse("scheduler_config.json", &v.to_string());
    // As Stable Diffusion 1.5 is published.
    let sd = parse(json!({
        "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false, "skip_prk_steps": true,
        "steps_offset": 1, "trained_betas": null, "clip_sample": false
    }));
    let preset = Preset::named("sd15").unwrap().config().unwrap().scheduler;
    assert_eq!(sd.unwrap(), preset);
    let bare = parse(json!({"_class_name": "PNDMScheduler"})).unwrap();
    assert_eq!((bare.sampler, bare.set_alpha_to_one, bare.clip_sample), (Sampler::Ddim, false, None));
    let ddpm = parse(json!({"_class_name": "DDPMScheduler", "variance_type": "fixed_small"})).unwrap();
    assert_eq!((ddpm.sampler, ddpm.clip_sample, ddpm.consistency), (Sampler::Ddpm, Some(1.0), None));
    let lcm = parse(json!({"_class_name": "LCMScheduler", "original_inference_steps": 40})).unwrap();
    assert_eq!((lcm.sampler, lcm.beta_end, lcm.clip_sample), (Sampler::Lcm, 0.012, None));
    let distilled = Consistency { original_inference_steps: 40, timestep_scaling: 10.0 };
    assert_eq!(lcm.consistency, Some(distilled));
}

#[test]
fn variants_of_the_network() {
    let parse = |v: Value| UNet2dConditionConfig::parse("config.json", &v.to_string()).map_err(|e| e.to_string());
    // Stable Diffusion 2.1 in its published form.
    let two = parse(json!({
        "_class_name": "UNet2DConditionModel", "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024,
        "dual_cross_attention": false, "only_cross_attention": false, "num_class_embeds": null, "sample_size": 96,
        "upcast_attention": true, "use_linear_projection": true
    }));
    let two = two.unwrap();
    assert_eq!(
        (two.heads.as_slice(), two.linear_projection, two.sample_size),
        ([5, 10, 20, 20].as_slice(), true, [96, 96])
    );
    let graph = unet2d_condition::graph(&two, 1, [64, 64], 77).unwrap();
    // 865,910,724: as published for Stable Diffusion 2.
    assert_eq!(Info::of(&graph).parameters, 865_910_724);
    let heads = |path: &str| format!("{:?}", graph.nodes.iter().find(|n| n.name == path).unwrap().op);
    assert!(heads("up_blocks.1.attentions.0.transformer_blocks.0.attn1.core").contains("heads: 20"));
    assert!(heads("up_blocks.3.attentions.0.transformer_blocks.0.attn1.core").contains("heads: 5"));

    let deep = parse(json!({
        "sample_size": 8, "block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "layers_per_block": [1, 3],
        "transformer_layers_per_block": [1, 2], "num_attention_heads": 2, "cross_attention_dim": 16,
        "only_cross_attention": [false, false]
    }));
    let deep = deep.unwrap();
    let graph = unet2d_condition::graph(&deep, 1, [8, 6], 5).unwrap();
    let count = |end: &str| graph.nodes.iter().filter(|n| n.name.ends_with(end)).count();
    // Transformers: three on the way down, one in the middle, four on the way up, two layers each.
    assert_eq!((count("attn1.core"), count("time_emb_proj")), (2 * (3 + 1 + 4), 1 + 3 + 2 + 4 + 2));
    assert_eq!(graph.node(graph.output).shape, [1, 8, 6, 4]);
    let without = UNet2dConditionConfig { mid: false, ..deep.clone() };
    let graph = unet2d_condition::graph(&without, 1, [8, 8], 5).unwrap();
    assert!(graph.nodes.iter().all(|n| !n.name.starts_with("mid_block")));

    for (extents, tokens, part) in [([7, 8], 5, "multiples of 2"), ([0, 8], 5, "0x8"), ([8, 8], 0, "without tokens")] {
        let message = unet2d_condition::graph(&deep, 1, extents, tokens).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    for (field, value, part) in [
        ("layers_per_block", json!([1, 2]), "2 entries, but block_out_channels has 4"),
        ("layers_per_block", json!(null), "null"),
        ("transformer_layers_per_block", json!([[1, 1], 1, 1, 1]), "[[1,1],1,1,1]"),
        ("time_cond_proj_dim", json!(256), "256 is not supported"),
        ("encoder_hid_dim", json!(4096), "4096 is not supported"),
        ("only_cross_attention", json!(true), "true is not supported"),
        ("only_cross_attention", json!([true, false, false, false]), "[true,false,false,false] is not supported"),
        (
            "down_block_types",
            json!(["DownBlock2D", "DownBlock2D", "DownBlock2D", "SimpleCrossAttnDownBlock2D"]),
            "Simple",
        ),
        ("new_field", json!(1), "unknown field"),
    ] {
        let mut config = json!({"sample_size": 8});
        config.as_object_mut().unwrap().insert(field.into(), value);
        let message = parse(config).unwrap_err();
        assert!(message.starts_with(&format!("config.json: {field}")) && message.contains(part), "{message}");
    }
}

#[test]
fn text_encoders() {
    let parse = |v: Value| ClipTextConfig::parse("config.json", &v.to_string()).map_err(|e| e.to_string());
    let defaults = parse(json!({})).unwrap();
    assert_eq!((defaults.hidden_size, defaults.num_hidden_layers, defaults.max_position_embeddings), (512, 12, 77));
    // The one of Stable Diffusion 2.
    let two =
        parse(json!({"hidden_act": "gelu", "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 23}));
    assert_eq!(two.unwrap().hidden_act, Function::Gelu);
    for (value, part) in [
        (json!({"architectures": ["CLIPTextModelWithProjection"]}), "architectures"),
        (json!({"num_attention_heads": 7}), "7 heads do not divide width 512"),
        (json!({"hidden_act": "relu"}), "hidden_act"),
        (json!({"layer_norm_eps": -1.0}), "layer_norm_eps"),
        (json!({"vocab_size": 1}), "vocab_size"),
    ] {
        let message = parse(value).unwrap_err();
        assert!(message.starts_with("config.json: ") && message.contains(part), "{message}");
    }
    for tokens in [0, 78] {
        let message = clip_text::graph(&defaults, 1, tokens).unwrap_err().to_string();
        assert!(message.contains("possible are 1..=77"), "{message}");
    }
}
