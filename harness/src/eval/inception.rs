//! Features of Inception v3: what a distance that may be called FID is measured on.

use std::path::Path;
use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::Gpu;
use masque_models::inception::{self, FEATURES, IMAGES, Inception, prepared};

use super::real::Features;
use crate::engine::EngineError;
use crate::error::{Error, Result};

/// Images at once: each takes some 40 MB on the device.
const TOGETHER: usize = 8;

/// Inception v3 on a device.
pub struct InceptionFeatures {
    net: Arc<Inception>,
    gpu: Arc<Gpu>,
}

impl InceptionFeatures {
    /// Opens pytorch-fid's weights as safetensors.
    pub fn open(file: &Path, gpu: Arc<Gpu>) -> Result<Self> {
        let net = Inception::open(file).map_err(|e| Error::input(file, format!("no Inception v3: {e}")))?;
        Ok(Self { net: Arc::new(net), gpu })
    }
}

impl Features for InceptionFeatures {
    fn width(&self) -> usize {
        FEATURES
    }

    fn distance(&self) -> &'static str {
        "FID (Inception v3 as in pytorch-fid)"
    }

    fn check(&self, _extents: [usize; 3]) -> std::result::Result<(), String> {
        Ok(())
    }

    fn features(&mut self, images: &[f32], extents: [usize; 3]) -> Result<Vec<f32>> {
        let mut features = Vec::new();
        let mut kept: Option<(usize, Plain)> = None;
        for some in images.chunks(TOGETHER * extents.iter().product::<usize>().max(1)) {
            let n = some.len() / extents.iter().product::<usize>().max(1);
            let (_, plain) = match kept.take() {
                Some((of, plain)) if of == n => kept.insert((n, plain)),
                _ => {
                    let graph = Arc::new(inception::graph(n).map_err(EngineError::from)?);
                    kept.insert((n, Plain::new(self.gpu.clone(), graph, self.net.clone(), Approx::Exact)))
                }
            };
            features.extend(plain.run(&[(IMAGES, &prepared(some, extents))]).map_err(EngineError::from)?);
        }
        Ok(features)
    }
}
