//! Weights: conversion, and every way in which a file can be wrong.

mod common;

use std::path::PathBuf;

use common::{asset, copy_of_model};
use masque_engine::graph::{WeightError, WeightSpec, WeightStore};
use masque_models::{Checkpoint, ClassModel};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

type Entry<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

fn write(tensors: &[Entry]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    serialize_to_file(views, None, &path).unwrap();
    (folder, path)
}

fn f32s(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn spec(name: &str, shape: &[usize]) -> WeightSpec {
    WeightSpec { name: name.into(), shape: shape.to_vec() }
}

#[test]
fn floats_are_converted() {
    let x = [1.0f32, -0.5, 3.140625, 65280.0];
    let half: Vec<u8> = x.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
    let brain: Vec<u8> = x.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect();
    let (_folder, path) = write(&[
        ("single", Dtype::F32, vec![2, 2], f32s(&x)),
        ("half", Dtype::F16, vec![4], half),
        ("brain", Dtype::BF16, vec![1, 4], brain),
        ("whole", Dtype::I64, vec![1], vec![0; 8]),
        ("empty", Dtype::F32, vec![0, 3], vec![]),
    ]);
    let file = Checkpoint::open(&path).unwrap();
    assert_eq!(file.names().len(), 5);
    for (name, shape) in [("single", vec![2, 2]), ("half", vec![4]), ("brain", vec![1, 4])] {
        let t = file.tensor(name).unwrap();
        assert_eq!((t.shape, t.data.as_slice()), (shape, x.as_slice()), "{name}");
    }
    assert!(file.tensor("empty").unwrap().data.is_empty());
    let message = file.tensor("whole").unwrap_err().to_string();
    assert!(message.contains("w.safetensors") && message.contains("whole is of type I64"), "{message}");
    let message = file.tensor("absent").unwrap_err().to_string();
    assert!(message.contains("w.safetensors: no tensor is called absent"), "{message}");
    let digest: [u8; 32] = Sha256::digest(std::fs::read(&path).unwrap()).into();
    assert_eq!(file.digest(), digest);
}

#[test]
fn all_differences_are_reported_at_once() {
    let (_folder, path) = write(&[
        ("good", Dtype::F32, vec![2], f32s(&[1.0, 2.0])),
        ("turned", Dtype::F32, vec![1, 2], f32s(&[1.0, 2.0])),
        ("nan", Dtype::F32, vec![2], f32s(&[1.0, f32::NAN])),
        ("infinite", Dtype::F16, vec![1], half::f16::NEG_INFINITY.to_le_bytes().to_vec()),
        ("whole", Dtype::U8, vec![1], vec![1]),
        ("unknown", Dtype::F32, vec![1], f32s(&[1.0])),
    ]);
    let file = Checkpoint::open(&path).unwrap();
    assert_eq!(file.check(&[spec("good", &[2])]).unwrap_err().to_string().matches("belongs to no layer").count(), 5);
    let expected = [
        ("good", [2].as_slice()),
        ("turned", &[2, 1]),
        ("nan", &[2]),
        ("infinite", &[1]),
        ("whole", &[1]),
        ("absent", &[3]),
    ];
    let error = file.check(&expected.map(|(name, shape)| spec(name, shape))).unwrap_err();
    let message = error.to_string();
    for part in [
        "w.safetensors does not fit the model",
        "tensor turned has shape [1, 2], expected [2, 1]",
        "tensor nan holds NaN at index 1",
        "tensor infinite holds -inf at index 0",
        "tensor whole is of type U8",
        "tensor absent [3] is missing",
        "tensor unknown belongs to no layer",
    ] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    assert!(!message.contains("good"), "{message}");
}

#[test]
fn long_lists_are_cut() {
    let (_folder, path) = write(&[("a", Dtype::F32, vec![1], f32s(&[1.0]))]);
    let expected: Vec<WeightSpec> = (0..20).map(|i| spec(&format!("w{i}"), &[1])).collect();
    let error = Checkpoint::open(&path).unwrap().check(&expected).unwrap_err();
    assert!(error.to_string().ends_with("; and 15 more"), "{error}");
    assert!(matches!(error, WeightError::Mismatch { problems, .. } if problems.len() == 21));
}

#[test]
fn damaged_files_are_refused() {
    let whole = std::fs::read(asset("binary-mnist/classifier/model.safetensors")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let message = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(message.contains("w.safetensors: "), "{message}");
        message
    };
    for cut in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        assert!(message(&whole[..cut]).contains("truncated"), "{cut} bytes");
    }
    assert!(message(&[whole.as_slice(), b"\0"].concat()).contains("corrupt"));
    assert!(message(&[0xff; 64]).contains("not a safetensors file"));
    let mut broken = whole.clone();
    broken[20] = b'{';
    assert!(message(&broken).contains("not a safetensors file"));
    let message = Checkpoint::open(folder.path().join("absent.safetensors")).unwrap_err().to_string();
    assert!(message.contains("absent.safetensors: "), "{message}");
    assert!(Checkpoint::open(folder.path()).is_err());
}

#[test]
fn models_open_or_say_why_not() {
    let unspoiled = copy_of_model();
    let model = ClassModel::open(unspoiled.path()).unwrap();
    assert_eq!(model.weights.names().len(), model.graph(1).unwrap().weights().len());

    type Spoil = fn(&std::path::Path);
    let weights = "unet/diffusion_pytorch_model.safetensors";
    let cases: [(&str, Spoil); 5] = [
        ("unet/config.json: ", |f| std::fs::remove_file(f.join("unet/config.json")).unwrap()),
        ("scheduler/scheduler_config.json: ", |f| {
            std::fs::write(f.join("scheduler/scheduler_config.json"), "").unwrap()
        }),
        ("diffusion_pytorch_model.safetensors: ", |f| {
            std::fs::remove_file(f.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
        }),
        ("truncated", |f| {
            let path = f.join("unet/diffusion_pytorch_model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        }),
        ("tensor conv_in.weight has shape [16, 1, 3, 3], expected [24, 1, 3, 3]", |f| {
            let path = f.join("unet/config.json");
            let text = std::fs::read_to_string(&path).unwrap().replace("    16,\n", "    24,\n");
            std::fs::write(&path, text).unwrap();
        }),
    ];
    for (part, spoil) in cases {
        let folder = copy_of_model();
        spoil(folder.path());
        let message = ClassModel::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    let folder = copy_of_model();
    let path = folder.path().join(weights);
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let message = ClassModel::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains(weights) && message.contains("holds NaN"), "{message}");
}
