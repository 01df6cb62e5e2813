//! Files of the repository and typed reading of safetensors, for tests.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

/// A file of the assets folder.
pub fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(path)
}

/// A file of reference values.
pub struct Fixture(Vec<u8>);

impl Fixture {
    pub fn open(path: &str) -> Self {
        Self(std::fs::read(asset(path)).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        SafeTensors::deserialize(&self.0).unwrap().names().into_iter().map(String::from).collect()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().shape().to_vec()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.bytes(name).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn i64(&self, name: &str) -> Vec<i64> {
        self.bytes(name).chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// Largest difference of two equally long lists.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Channels last, from torch's `[n, c, h, w]` or `[n, c, t]`.
pub fn channels_last(x: &[f32], shape: &[usize]) -> Vec<f32> {
    let (c, positions) = (shape[1], shape[2..].iter().product::<usize>());
    let image = c * positions;
    (0..x.len()).map(|i| x[i / image * image + (i % c) * positions + i % image / c]).collect()
}

/// A copy of the shipped model in a temporary folder, for tests that spoil it.
pub fn copy_of_model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"] {
        let target = folder.path().join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(asset("binary-mnist").join(file), target).unwrap();
    }
    folder
}
