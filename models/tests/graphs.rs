//! Networks: their weights, their shapes, and names under which their blocks are found.

mod common;

use std::collections::BTreeMap;

use common::{Fixture, asset, distance};
use masque_engine::graph::{Graph, Shape, Visibility, WeightStore};
use masque_models::{Checkpoint, ClassModel, ModelError, UNet2dConfig, unet2d};

fn networks() -> [(UNet2dConfig, Checkpoint); 2] {
    [
        ("fixtures/tiny-unet-class/config.json", "fixtures/tiny-unet-class/model.safetensors"),
        ("binary-mnist/unet/config.json", "binary-mnist/unet/diffusion_pytorch_model.safetensors"),
    ]
    .map(|(config, weights)| (UNet2dConfig::read(asset(config)).unwrap(), Checkpoint::open(asset(weights)).unwrap()))
}

fn build(change: impl FnOnce(&mut UNet2dConfig)) -> Result<Graph, ModelError> {
    let [(mut config, _), _] = networks();
    change(&mut config);
    unet2d::graph(&config, 2)
}

/// Names and output shapes of all nodes of one kind.
fn shapes(graph: &Graph, op: &str) -> Vec<(String, Shape)> {
    let of = graph.nodes.iter().filter(|n| n.op.name() == op);
    of.map(|n| (n.name.clone(), n.shape.clone())).collect()
}

#[test]
fn weights_are_exactly_those_of_the_checkpoints() {
    for (config, file) in networks() {
        let graph = unet2d::graph(&config, 1).unwrap();
        let named: BTreeMap<String, Shape> = graph.weights().into_iter().map(|w| (w.name, w.shape)).collect();
        let stored = file.names().into_iter().map(|n| (n.clone(), file.tensor(&n).unwrap().shape)).collect();
        assert_eq!(named, stored);
        assert_eq!(graph.weights().len(), named.len(), "no weight is used twice");
        file.check(&graph.weights()).unwrap();
    }
}

#[test]
fn every_block_of_the_fixture_is_found() {
    let [(config, _), _] = networks();
    let graph = unet2d::graph(&config, 3).unwrap();
    let fixture = Fixture::open("fixtures/tiny-unet-class/io.safetensors");
    let mut found = 0;
    for name in fixture.names() {
        let Some(path) = name.strip_prefix("act:") else { continue };
        let node = &graph.nodes[unet2d::tap(&graph, path).unwrap_or_else(|| panic!("nothing for {path}"))];
        let mut shape = fixture.shape(&name);
        // torch has channels first in images and before normalised tokens
        if shape.len() == 4 || path.ends_with("group_norm") {
            shape[1..].rotate_left(1);
        }
        assert_eq!(node.shape, shape, "{path} -> {}", node.name);
        found += 1;
    }
    assert!(found > 100);
    for (path, name) in [
        ("down_blocks.0.resnets.0", "down_blocks.0.resnets.0"),
        ("down_blocks.0", "down_blocks.0.downsamplers.0.conv"),
        ("mid_block", "mid_block.resnets.1"),
        ("mid_block.attentions.0", "mid_block.attentions.0"),
        ("mid_block.resnets.1.nonlinearity#2", "down_blocks.0.resnets.0.nonlinearity#2"),
        ("time_embedding", "time_embedding.linear_2"),
        ("time_proj", "time_features"),
        ("up_blocks.0.upsamplers.0", "up_blocks.0.upsamplers.0.conv"),
    ] {
        assert_eq!(graph.nodes[unet2d::tap(&graph, path).unwrap()].name, name);
    }
    assert_eq!(unet2d::tap(&graph, "down_blocks.7"), None);
}

#[test]
fn inputs_and_output() {
    let model = ClassModel::open(asset("binary-mnist")).unwrap();
    let graph = model.graph(5).unwrap();
    for (name, shape, visibility) in [
        ("sample", vec![5, 28, 28, 1], Visibility::Secret),
        ("time_features", vec![5, 16], Visibility::Public),
        ("class", vec![5, 3], Visibility::Secret),
    ] {
        let node = graph.node(graph.input(name).unwrap());
        assert_eq!((&node.shape, node.visibility), (&shape, visibility), "{name}");
    }
    assert_eq!(graph.inputs.len(), 3);
    assert_eq!(graph.node(graph.output).shape, [5, 28, 28, 1]);
    let public = ["time_embedding.linear_1", "time_embedding.act", "time_embedding.linear_2"];
    for node in &graph.nodes {
        let expected = public.contains(&node.name.as_str()) || node.name == "time_features";
        assert_eq!(node.visibility == Visibility::Public, expected, "{}", node.name);
    }
    // 73.4 million per image, 1.2 million of them inside of attention
    let macs: u64 = graph.nodes.iter().map(|n| graph.macs(n)).sum();
    assert!((5 * 72_000_000..5 * 74_000_000).contains(&macs), "{macs}");
}

#[test]
fn costs_are_those_counted_in_torch() {
    let graph = ClassModel::open(asset("binary-mnist")).unwrap().graph(1).unwrap();
    let count = |op| shapes(&graph, op).iter().map(|(_, s)| s.iter().product::<usize>()).sum::<usize>();
    // torch applies the embedding's ReLU in each of 11 residual blocks
    assert_eq!(count("relu"), 210_880 - 10 * 64);
    assert_eq!(count("group_norm"), 222_656);
    assert_eq!(
        shapes(&graph, "attention"),
        [
            "down_blocks.2.attentions.0",
            "mid_block.attentions.0",
            "up_blocks.0.attentions.0",
            "up_blocks.0.attentions.1"
        ]
        .map(|path| (format!("{path}.core"), vec![1, 49, 64]))
    );
}

#[test]
fn equal_configurations_have_equal_fingerprints() {
    let fingerprint = |change: fn(&mut UNet2dConfig)| build(change).unwrap().fingerprint();
    assert_eq!(fingerprint(|_| ()), fingerprint(|_| ()));
    assert_ne!(fingerprint(|_| ()), fingerprint(|c| c.norm_eps = 1e-6));
    assert_ne!(fingerprint(|_| ()), fingerprint(|c| c.attention_head_dim = None));
}

#[test]
fn variants() {
    let plain = build(|_| ()).unwrap();
    assert_eq!(shapes(&plain, "attention").len(), 4);

    let unconditional = build(|c| c.num_class_embeds = None).unwrap();
    assert!(unconditional.input("class").is_none() && unconditional.inputs.len() == 2);
    let shared = &unconditional.nodes[unet2d::tap(&unconditional, "mid_block.resnets.0.nonlinearity#2").unwrap()];
    assert_eq!(shared.visibility, Visibility::Public);

    let without = build(|c| c.mid = masque_models::config::Mid::Plain).unwrap();
    assert_eq!(shapes(&without, "attention").len(), 3);
    let absent = build(|c| c.mid = masque_models::config::Mid::Absent).unwrap();
    assert!(absent.nodes.iter().all(|n| !n.name.starts_with("mid_block")));

    let after = build(|c| c.downsample = masque_models::config::Downsample::After).unwrap();
    let find = |g: &Graph| format!("{:?}", g.nodes[unet2d::tap(g, "down_blocks.0.downsamplers.0.conv").unwrap()]);
    assert!(find(&plain).contains("pad: 1, pad_after: 1") && find(&after).contains("pad: 0, pad_after: 1"));
    assert!(find(&after).contains("shape: [2, 6, 6, 16]"));

    let oblong = build(|c| c.sample_size = [8, 20]).unwrap();
    assert_eq!(oblong.node(oblong.output).shape, [2, 8, 20, 1]);
    let deep = build(|c| c.layers_per_block = 3).unwrap();
    assert_eq!(deep.nodes.iter().filter(|n| n.name.ends_with("time_emb_proj")).count(), 2 * 3 + 2 + 2 * 4);
}

#[test]
fn misfits_are_errors() {
    let [(config, _), _] = networks();
    for n in [0, 1 << 20] {
        let message = unet2d::graph(&config, n).unwrap_err().to_string();
        assert!(message.contains(&format!("{n} images")), "{message}");
    }
    assert!(matches!(build(|c| c.sample_size = [11, 11]), Err(ModelError::Graph(_))));
    assert!(matches!(build(|c| c.norm_num_groups = 7), Err(ModelError::Graph(_))));
    let model = ClassModel::open(asset("binary-mnist")).unwrap();
    assert_eq!(model.one_hot(&[1, 2]).unwrap(), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert!(model.one_hot(&[3]).unwrap_err().to_string().contains("class 0 is none of the 3 that the model has"));
}

#[test]
fn time_features_are_those_of_diffusers() {
    let fixture = Fixture::open("fixtures/tiny-unet-class/io.safetensors");
    let steps = fixture.i64("in:timestep");
    let features: Vec<f32> = steps.iter().flat_map(|t| unet2d::timestep_features(*t as f32, 16, true, 0.0)).collect();
    let d = distance(&features, &fixture.f32("act:time_proj"));
    assert!(d <= 1e-6, "{d}");
    let turned = unet2d::timestep_features(500.0, 16, false, 0.0);
    let straight = unet2d::timestep_features(500.0, 16, true, 0.0);
    assert_eq!((&turned[..8], &turned[8..]), (&straight[8..], &straight[..8]));
    assert_eq!(unet2d::timestep_features(3.0, 5, true, 1.0)[4], 0.0);
}

#[test]
fn cipherdms_network_has_a_table_of_classes_in_every_block() {
    let model = ClassModel::open(asset("cipherdm")).unwrap();
    let weights = model.graph(1).unwrap().weights();
    let count = |end: &str| -> usize {
        weights.iter().filter(|w| w.name.ends_with(end)).map(|w| w.shape.iter().product::<usize>()).sum()
    };
    // Two classes make 15,881 parameters; a third row stands for none.
    let rows = count("class_embedding.weight") / 3;
    assert_eq!((rows, count("") - rows), (76, 15_881));
    let table = model.weights.tensor("mid_block.resnets.0.class_embedding.weight").unwrap().data;
    let mean: Vec<f32> = (0..8).map(|i| (table[i] + table[8 + i]) / 2.0).collect();
    assert_eq!(table[16..], mean);
}
