//! Configurations: the shipped ones, the defaults, and everything that must be refused.

mod common;

use common::asset;
use masque_engine::exec::PlanConfig;
use masque_engine::graph::ops::Function;
use masque_models::config::{BetaSchedule, Downsample, Mid, SchedulerConfig, Spacing, UNet2dConfig};
use serde_json::{Value, json};

/// Reads a configuration after setting fields of the shipped one; a null field named `-name` removes `name`.
fn unet(changes: Value) -> Result<UNet2dConfig, String> {
    let path = changed("binary-mnist/unet/config.json", changes);
    UNet2dConfig::read(path.path()).map_err(|e| e.to_string())
}

fn scheduler(changes: Value) -> Result<SchedulerConfig, String> {
    let path = changed("binary-mnist/scheduler/scheduler_config.json", changes);
    SchedulerConfig::read(path.path()).map_err(|e| e.to_string())
}

fn changed(path: &str, changes: Value) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(asset(path)).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in changes.as_object().unwrap() {
        match field.strip_prefix('-') {
            Some(field) => config.as_object_mut().unwrap().remove(field),
            None => config.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    let file = tempfile::Builder::new().prefix("config").suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    file
}

/// The message must name the file and contain all of these.
fn refused<T: std::fmt::Debug>(result: Result<T, String>, parts: &[&str]) {
    let message = result.unwrap_err();
    for part in parts.iter().chain(&["config", ".json: "]) {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn shipped_network() {
    let c = unet(json!({})).unwrap();
    assert_eq!(c.sample_size, [28, 28]);
    assert_eq!(c.block_out_channels, [16, 32, 64]);
    assert_eq!(c.down_attention, [false, false, true]);
    assert_eq!(c.up_attention, [true, false, false]);
    assert_eq!((c.mid, c.downsample, c.layers_per_block), (Mid::Attention, Downsample::Symmetric, 1));
    assert_eq!((c.attention_head_dim, c.norm_num_groups, c.attn_norm_num_groups), (Some(32), 8, None));
    assert_eq!((c.act_fn, c.conv_act_fn, c.time_act_fn), (Function::Relu, Function::Relu, Function::Relu));
    assert_eq!((c.time_embedding_dim, c.num_class_embeds, c.norm_eps), (64, Some(3), 1e-5));
}

#[test]
fn fixture_network() {
    let c = UNet2dConfig::read(asset("fixtures/tiny-unet-class/config.json")).unwrap();
    assert_eq!((c.sample_size, c.in_channels, c.out_channels), ([12, 12], 1, 1));
    assert_eq!(c.down_attention, [false, true]);
    assert_eq!((c.flip_sin_to_cos, c.freq_shift, c.conv_act_fn), (true, 0.0, Function::Relu));
}

#[test]
fn absent_fields_have_the_defaults_of_diffusers() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"sample_size": [64, 32]}"#).unwrap();
    let c = UNet2dConfig::read(file.path()).unwrap();
    assert_eq!(c.sample_size, [64, 32]);
    assert_eq!((c.in_channels, c.out_channels, c.layers_per_block), (3, 3, 2));
    assert_eq!(c.block_out_channels, [224, 448, 672, 896]);
    assert_eq!(c.down_attention, [false, true, true, true]);
    assert_eq!(c.up_attention, [true, true, true, false]);
    assert_eq!((c.norm_num_groups, c.attention_head_dim, c.num_class_embeds), (32, Some(8), None));
    assert_eq!((c.act_fn, c.conv_act_fn, c.time_act_fn), (Function::Silu, Function::Silu, Function::Silu));
    assert_eq!(c.time_embedding_dim, 896);

    std::fs::write(file.path(), "{}").unwrap();
    let s = SchedulerConfig::read(file.path()).unwrap();
    assert_eq!((s.num_train_timesteps, s.beta_start, s.beta_end), (1000, 0.0001, 0.02));
    assert_eq!((s.beta_schedule, s.timestep_spacing), (BetaSchedule::Linear, Spacing::Leading));
    assert_eq!((s.clip_sample, s.set_alpha_to_one, s.steps_offset), (Some(1.0), true, 0));
}

#[test]
fn unsupported_values_are_named() {
    refused(
        unet(json!({"down_block_types": ["DownBlock2D", "SkipDownBlock2D", "AttnDownBlock2D"]})),
        &["down_block_types", "SkipDownBlock2D", "only DownBlock2D, AttnDownBlock2D"],
    );
    refused(unet(json!({"up_block_types": ["AttnDownBlock2D", "UpBlock2D", "UpBlock2D"]})), &["up_block_types"]);
    refused(unet(json!({"mid_block_type": "UnCLIPUNetMidBlock2D"})), &["mid_block_type", "UnCLIPUNetMidBlock2D"]);
    refused(unet(json!({"act_fn": "mish"})), &["act_fn", "mish", "relu"]);
    refused(unet(json!({"conv_act_fn": "tanh"})), &["conv_act_fn", "tanh"]);
    refused(unet(json!({"center_input_sample": true})), &["center_input_sample", "true", "only false"]);
    refused(unet(json!({"time_embedding_type": "fourier"})), &["time_embedding_type", "fourier"]);
    refused(unet(json!({"resnet_time_scale_shift": "scale_shift"})), &["resnet_time_scale_shift", "scale_shift"]);
    refused(unet(json!({"class_embed_type": "timestep"})), &["class_embed_type", "timestep", "only null"]);
    refused(unet(json!({"mid_block_scale_factor": 2})), &["mid_block_scale_factor", "2 is not supported"]);
    refused(unet(json!({"downsample_type": "resnet"})), &["downsample_type", "resnet"]);
    refused(unet(json!({"downsample_padding": 2})), &["downsample_padding", "2 is not in 0..=1"]);
    refused(unet(json!({"_class_name": "UNet2DConditionModel"})), &["_class_name", "UNet2DConditionModel"]);
    refused(unet(json!({"use_something_new": 3})), &["use_something_new", "unknown field, with value 3"]);
}

#[test]
fn malformed_values_are_named() {
    refused(unet(json!({"layers_per_block": "one"})), &["layers_per_block", "\"one\""]);
    refused(unet(json!({"layers_per_block": [1, 2, 2]})), &["layers_per_block", "[1,2,2]"]);
    refused(unet(json!({"layers_per_block": -1})), &["layers_per_block", "-1"]);
    refused(unet(json!({"norm_num_groups": null})), &["norm_num_groups", "null"]);
    refused(unet(json!({"norm_num_groups": 5})), &["norm_num_groups", "5 does not divide 16"]);
    refused(unet(json!({"attn_norm_num_groups": 7})), &["attn_norm_num_groups", "7 does not divide 64"]);
    refused(unet(json!({"attention_head_dim": 48})), &["attention_head_dim", "48 does not divide 64"]);
    refused(unet(json!({"attention_head_dim": 0})), &["attention_head_dim"]);
    refused(unet(json!({"block_out_channels": []})), &["block_out_channels"]);
    refused(unet(json!({"block_out_channels": [16, 32]})), &["down_block_types", "3 blocks", "2"]);
    refused(unet(json!({"block_out_channels": [16, 32, 1u64 << 60]})), &["block_out_channels"]);
    refused(unet(json!({"sample_size": 30})), &["sample_size", "30 is no multiple of 4"]);
    refused(unet(json!({"sample_size": null})), &["sample_size"]);
    refused(unet(json!({"-sample_size": null})), &["sample_size", "missing"]);
    refused(unet(json!({"num_class_embeds": 0})), &["num_class_embeds", "0 is not in"]);
    refused(unet(json!({"norm_eps": 0})), &["norm_eps"]);
    refused(unet(json!({"freq_shift": 8})), &["freq_shift"]);
}

#[test]
fn supported_variants_are_read() {
    assert_eq!(unet(json!({"downsample_padding": 0})).unwrap().downsample, Downsample::After);
    assert_eq!(unet(json!({"add_attention": false})).unwrap().mid, Mid::Plain);
    assert_eq!(unet(json!({"mid_block_type": null})).unwrap().mid, Mid::Absent);
    assert_eq!(unet(json!({"attention_head_dim": null})).unwrap().attention_head_dim, None);
    assert_eq!(unet(json!({"num_class_embeds": null})).unwrap().num_class_embeds, None);
    assert_eq!(unet(json!({"-conv_act_fn": null})).unwrap().conv_act_fn, Function::Silu);
    assert_eq!(unet(json!({"time_embedding_dim": 128})).unwrap().time_embedding_dim, 128);
    assert!(unet(json!({"dropout": 0.1, "num_train_timesteps": 1000, "mid_block_scale_factor": 1.0})).is_ok());
}

#[test]
fn schedulers() {
    let s = scheduler(json!({"clip_sample": false, "beta_schedule": "scaled_linear", "timestep_spacing": "trailing"}));
    let s = s.unwrap();
    assert_eq!(
        (s.clip_sample, s.beta_schedule, s.timestep_spacing),
        (None, BetaSchedule::ScaledLinear, Spacing::Trailing)
    );
    refused(
        scheduler(json!({"prediction_type": "v_prediction"})),
        &["prediction_type", "v_prediction", "only \"epsilon\""],
    );
    refused(scheduler(json!({"thresholding": true})), &["thresholding", "true"]);
    refused(scheduler(json!({"rescale_betas_zero_snr": true})), &["rescale_betas_zero_snr"]);
    refused(scheduler(json!({"trained_betas": [0.1]})), &["trained_betas", "[0.1]"]);
    refused(scheduler(json!({"beta_schedule": "sigmoid"})), &["beta_schedule", "sigmoid", "squaredcos_cap_v2"]);
    refused(scheduler(json!({"timestep_spacing": "karras"})), &["timestep_spacing", "karras"]);
    refused(scheduler(json!({"beta_end": 1.5})), &["beta_end", "1.5"]);
    refused(scheduler(json!({"beta_start": "small"})), &["beta_start", "small"]);
    refused(scheduler(json!({"num_train_timesteps": 0})), &["num_train_timesteps"]);
    refused(scheduler(json!({"clip_sample_range": -1})), &["clip_sample_range"]);
    refused(scheduler(json!({"_class_name": "EulerDiscreteScheduler"})), &["_class_name", "EulerDiscreteScheduler"]);
}

#[test]
fn files_that_are_no_configurations() {
    let missing = UNet2dConfig::read("no/such/config.json").unwrap_err().to_string();
    assert!(missing.starts_with("no/such/config.json: "), "{missing}");
    for text in ["", "[1]", "{\"sample_size\": 28", "\u{0}"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let message = UNet2dConfig::read(file.path()).unwrap_err().to_string();
        assert!(message.contains("JSON") && message.contains(file.path().to_str().unwrap()), "{message}");
    }
}

#[test]
fn settings_of_the_plan() {
    let usual = PlanConfig::default();
    assert_eq!(unet(json!({})).unwrap().fixed_point.of(usual.clone()), usual);
    let other = unet(json!({ "fixed_point": { "variance": [-6, 14], "range": 8 } })).unwrap().fixed_point;
    assert_eq!(other.of(usual.clone()), PlanConfig { variance: (-6, 14), range: 8, ..usual });
    for (value, says) in [
        (json!({ "variance": [9, 9] }), "two ascending numbers"),
        (json!({ "range": 40 }), "range is not in"),
        (json!({ "activation": 3 }), "activation is not in"),
        (json!({ "fraction": 3 }), "unknown field"),
        (json!(7), "fixed_point"),
    ] {
        refused(unet(json!({ "fixed_point": value })), &["fixed_point", says]);
    }
}
