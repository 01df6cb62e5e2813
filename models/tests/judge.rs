//! The classifier on real digits.

mod common;

use common::{Fixture, asset};
use masque_models::Classifier;

#[test]
fn real_digits() {
    let fixture = Fixture::open("fixtures/digits.safetensors");
    let images: Vec<f32> = fixture.bytes("images").iter().map(|x| *x as f32 / 127.5 - 1.0).collect();
    let labels: Vec<usize> = fixture.bytes("labels").iter().map(|x| *x as usize).collect();
    assert_eq!(labels.len(), 20);
    let judge = Classifier::open(asset("binary-mnist/classifier")).unwrap();
    assert_eq!(judge.classes(), 10);
    // 18 of 20; these two are the network's own mistakes. On all 1500 test digits it is right as often, in every class,
    // as the script that trained it measured (1481)
    let mut expected = labels.clone();
    (expected[5], expected[10]) = (0, 1);
    assert_eq!(judge.classify(&images).unwrap(), expected);
    assert_eq!(judge.features(&images[..784]).unwrap()[0].len(), 64);
    assert!(judge.classify(&[]).unwrap().is_empty());
    assert!(judge.classify(&images[1..]).unwrap_err().to_string().contains("15679 values"));
}

#[test]
fn drawn_digits() {
    let fixture = Fixture::open("binary-mnist/reference.safetensors");
    let judge = Classifier::open(asset("binary-mnist/classifier")).unwrap();
    let clipped: Vec<f32> = fixture.f32("exact-clip:x_0").iter().map(|x| x.clamp(-1.0, 1.0)).collect();
    let labels: Vec<usize> = fixture.i64("in:labels").iter().map(|x| *x as usize).collect();
    assert_eq!(judge.classify(&clipped).unwrap(), labels);
}

#[test]
fn files_that_do_not_fit() {
    let message = Classifier::open("no/such/folder").unwrap_err().to_string();
    assert!(message.contains("no/such/folder/config.json"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let model = asset("binary-mnist/classifier/model.safetensors");
    std::fs::copy(model, folder.path().join("model.safetensors")).unwrap();
    for (config, part) in [
        (r#"{"classes": 10}"#, "config.json: size: missing"),
        (r#"{"classes": 0, "size": 28}"#, "config.json: classes: 0 is not in"),
        (r#"{"classes": 11, "size": 28}"#, "tensor fc2.weight has shape [10, 64], expected [11, 64]"),
        (r#"{"classes": 10, "size": 32}"#, "tensor fc1.weight has shape [64, 576], expected [64, 1024]"),
    ] {
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let message = Classifier::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}
