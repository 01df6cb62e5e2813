//! Networks that judge images, against values recorded from torch.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{Fixture, asset};
use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::{AdapterChoice, Gpu};
use masque_engine::graph::{Graph, Tensor, WeightError, WeightStore};
use masque_models::clip::{self, ClipModel};
use masque_models::clip_text;
use masque_models::inception::{self, Inception};
use masque_models::weight_rule::{RuleWeights, stream};

/// Of means and features between 0 and 10, as a fraction of `1 + |expected|`.
const TOLERANCE: f32 = 1e-4;

fn plain(graph: Graph, weights: Arc<dyn WeightStore>) -> Plain {
    Plain::new(Gpu::open(&AdapterChoice::default()).unwrap(), Arc::new(graph), weights, Approx::Exact)
}

fn check(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= TOLERANCE * (1.0 + w.abs()), "{what}: element {i} is {g}, torch says {w}");
    }
}

/// The fixture's weights: see `assets/scripts/make_judge_fixtures.py`.
#[derive(Debug)]
struct Rule(RuleWeights);

impl WeightStore for Rule {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        let mut t = self.0.tensor(name)?;
        match name {
            _ if name.ends_with("conv.weight") => t.data.iter_mut().for_each(|w| *w *= 1.5),
            _ if name.ends_with("running_var") => t.data.iter_mut().for_each(|v| *v += 1.0),
            _ => {}
        }
        Ok(t)
    }

    fn digest(&self) -> [u8; 32] {
        self.0.digest()
    }
}

#[test]
fn inception_block_by_block() {
    let fixture = Fixture::open("fixtures/inception.safetensors");
    let picture = stream("inception/image", 28 * 28 * 3, 0.5, 0.5);
    // From 0 to 1 as files hold it, from -1 to 1 as everything here does.
    let picture: Vec<f32> = picture.iter().map(|v| 2.0 * v - 1.0).collect();
    let images = inception::prepared(&picture, [28, 28, 3]);
    assert_eq!(images.len(), 299 * 299 * 3);
    check(&images.iter().step_by(997).copied().collect::<Vec<_>>(), &fixture.f32("resized"), "resized");

    let specs = inception::specs().unwrap();
    let weights = Inception::with(Rule(RuleWeights::new("inception", specs)));
    let mut net = plain(inception::graph(1).unwrap(), Arc::new(weights));
    // The value of a block is that of the last node whose path begins with its name.
    let mut means: HashMap<String, Vec<f32>> = HashMap::new();
    let features = net
        .run_tapped(&[(inception::IMAGES, &images)], &mut |node, value| {
            let block = node.name.split('.').next().unwrap_or_default();
            if fixture.names().iter().any(|n| n == block) {
                let c = *node.shape.last().unwrap();
                let sum = |i| value.iter().skip(i).step_by(c).map(|v| f64::from(*v)).sum::<f64>();
                means.insert(block.into(), (0..c).map(|i| (sum(i) / (value.len() / c) as f64) as f32).collect());
            }
        })
        .unwrap();
    let blocks: Vec<String> = fixture.names().into_iter().filter(|n| n != "resized").collect();
    assert_eq!(blocks.len(), 13);
    for block in blocks {
        check(&means[&block], &fixture.f32(&block), &block);
    }
    // The features are the last block's means.
    check(&features, &fixture.f32("Mixed_7c"), "features");
}

#[test]
fn one_grey_channel_counts_three_times() {
    let grey: Vec<f32> = (0..35).map(|i| (i as f32).sin()).collect();
    let colour: Vec<f32> = grey.iter().flat_map(|v| [*v; 3]).collect();
    assert_eq!(inception::prepared(&grey, [5, 7, 1]), inception::prepared(&colour, [5, 7, 3]));
    // Larger than the network's extent, two of them: every row of the first comes before the second.
    let two = [vec![0.25; 310 * 305], vec![-0.5; 310 * 305]].concat();
    let prepared = inception::prepared(&two, [310, 305, 1]);
    assert!(
        prepared[..299 * 299 * 3].iter().all(|v| *v == 0.25) && prepared[299 * 299 * 3..].iter().all(|v| *v == -0.5)
    );
}

#[test]
fn clip_text_and_images() {
    let model = Arc::new(ClipModel::open(asset("fixtures/tiny-clip")).unwrap());
    let known = Fixture::open("fixtures/tiny-clip/known.safetensors");
    let (config, width) = (&model.config, model.config.text.hidden_size);
    let prompts = ["a red bag", "two", "a dress on black"].map(|p| model.tokens(p).unwrap());
    let ids: Vec<f32> = prompts.iter().flat_map(|(p, _)| p.indices()).collect();
    let encoded = plain(clip::text_graph(config, 3).unwrap(), model.clone()).run(&[(clip_text::TOKENS, &ids)]).unwrap();
    let rows = encoded.chunks(encoded.len() / 3).zip(&prompts);
    let ends: Vec<f32> = rows.flat_map(|(x, (_, end))| x[end * width..][..width].to_vec()).collect();
    let texts = plain(clip::projection_graph(config, 3).unwrap(), model.clone()).run(&[(clip::ENDS, &ends)]).unwrap();
    check(&texts, &known.f32("known.text"), "text");

    let pixels = stream("tiny-clip/pixels", 3 * 24 * 24 * 3, 2.0, 0.0);
    let class = model.class().unwrap().repeat(3);
    let inputs = [(clip::IMAGES, pixels.as_slice()), (clip::CLASS, &class)];
    let images = plain(clip::vision_graph(config, 3).unwrap(), model.clone()).run(&inputs).unwrap();
    check(&images, &known.f32("known.image"), "image");
    let cosines: Vec<f32> = clip::cosines(&images, &texts, config.projection_dim).iter().map(|c| *c as f32).collect();
    check(&cosines, &known.f32("known.cosine"), "cosine");
}

#[test]
fn files_that_do_not_fit() {
    let error = Inception::open(asset("fixtures/tiny-clip/model.safetensors")).unwrap_err().to_string();
    assert!(error.contains("Conv2d_1a_3x3.conv.weight [32, 3, 3, 3] is missing"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "vocab.json", "merges.txt", "model.safetensors"] {
        std::fs::copy(asset("fixtures/tiny-clip").join(file), folder.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    std::fs::write(
        folder.path().join("config.json"),
        config.replace("\"projection_dim\": 24", "\"projection_dim\": 25"),
    )
    .unwrap();
    let error = ClipModel::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("text_projection.weight has shape [24, 32], expected [25, 32]"), "{error}");
}
