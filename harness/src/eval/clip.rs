//! How well images show their prompts, as CLIP sees it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgb};
use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::Gpu;
use masque_engine::graph::Graph;
use masque_models::clip::{self, ClipModel};
use masque_models::clip_text;

use crate::engine::EngineError;
use crate::error::{Error, Result};
use crate::images::Pictures;

/// Images, or prompts, at once.
const TOGETHER: usize = 16;

/// A CLIP model on a device.
pub struct ClipJudge {
    model: Arc<ClipModel>,
    gpu: Arc<Gpu>,
    /// Prompts in the common space.
    texts: HashMap<String, Vec<f32>>,
}

impl ClipJudge {
    /// Opens a folder as transformers writes it.
    pub fn open(folder: &Path, gpu: Arc<Gpu>) -> Result<Self> {
        let model = ClipModel::open(folder).map_err(|e| Error::input(folder, format!("no CLIP model: {e}")))?;
        Ok(Self { model: Arc::new(model), gpu, texts: HashMap::new() })
    }

    fn run(&self, graph: Graph, inputs: &[(&str, &[f32])]) -> Result<Vec<f32>> {
        let mut plain = Plain::new(self.gpu.clone(), Arc::new(graph), self.model.clone(), Approx::Exact);
        Ok(plain.run(inputs).map_err(EngineError::from)?)
    }

    /// The cosine of each image, of these extents and with values from -1 to 1, and its prompt.
    pub fn scores(&mut self, images: &[f32], extents: [usize; 3], prompts: &[&str]) -> Result<Vec<f64>> {
        self.read(prompts)?;
        let texts: Vec<f32> = prompts.iter().flat_map(|p| self.texts[*p].iter().copied()).collect();
        let [h, w, c] = extents;
        let pictures = Pictures::from_floats(images, [prompts.len(), h, w, c])?;
        let class = self.model.class().map_err(EngineError::from)?;
        let mut vectors = Vec::new();
        for some in pictures.pixels.chunks(TOGETHER) {
            let inputs: Vec<f32> = some.iter().flat_map(|p| self.prepared(p, extents)).collect();
            let graph = clip::vision_graph(&self.model.config, some.len()).map_err(EngineError::from)?;
            vectors.extend(self.run(graph, &[(clip::IMAGES, &inputs), (clip::CLASS, &class.repeat(some.len()))])?);
        }
        Ok(clip::cosines(&vectors, &texts, self.model.config.projection_dim))
    }

    /// Encodes the prompts that are new.
    fn read(&mut self, prompts: &[&str]) -> Result<()> {
        let mut new: Vec<&str> = prompts.iter().filter(|p| !self.texts.contains_key(**p)).copied().collect();
        new.sort_unstable();
        new.dedup();
        let (config, width) = (&self.model.config, self.model.config.text.hidden_size);
        let mut found = Vec::new();
        for some in new.chunks(TOGETHER) {
            let tokens = some.iter().map(|p| self.model.tokens(p)).collect::<std::result::Result<Vec<_>, _>>();
            let tokens = tokens.map_err(EngineError::from)?;
            let ids: Vec<f32> = tokens.iter().flat_map(|(prompt, _)| prompt.indices()).collect();
            let graph = clip::text_graph(config, some.len()).map_err(EngineError::from)?;
            let encoded = self.run(graph, &[(clip_text::TOKENS, &ids)])?;
            let row = encoded.len() / some.len();
            let ends = encoded.chunks(row).zip(&tokens).flat_map(|(x, (_, end))| &x[end * width..][..width]);
            let graph = clip::projection_graph(config, some.len()).map_err(EngineError::from)?;
            let vectors = self.run(graph, &[(clip::ENDS, &ends.copied().collect::<Vec<f32>>())])?;
            let rows = vectors.chunks(config.projection_dim).map(<[f32]>::to_vec);
            found.extend(some.iter().map(|p| (*p).to_owned()).zip(rows));
        }
        self.texts.extend(found);
        Ok(())
    }

    /// A picture as CLIP's preprocessing makes it: the shorter side bicubically to the network's size, the middle of the
    /// longer, normalised.
    fn prepared(&self, pixels: &[u8], [h, w, channels]: [usize; 3]) -> Vec<f32> {
        let size = self.model.config.vision.image_size as u32;
        let grey = |i: usize| [pixels[i]; 3];
        let colour = |i: usize| [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]];
        let rgb = |x: u32, y: u32| {
            let i = y as usize * w + x as usize;
            Rgb(if channels == 1 { grey(i) } else { colour(i) })
        };
        let picture = ImageBuffer::from_fn(w as u32, h as u32, rgb);
        let scaled = |side: usize| (side as u64 * u64::from(size) / h.min(w) as u64) as u32;
        let (rows, columns) = (scaled(h).max(size), scaled(w).max(size));
        let whole = imageops::resize(&picture, columns, rows, FilterType::CatmullRom);
        let middle = imageops::crop_imm(&whole, (columns - size) / 2, (rows - size) / 2, size, size).to_image();
        let (mean, deviation) = (self.model.mean, self.model.deviation);
        let value = |(i, b): (usize, &u8)| (f32::from(*b) / 255.0 - mean[i % 3]) / deviation[i % 3];
        middle.as_raw().iter().enumerate().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use masque_engine::gpu::AdapterChoice;

    use super::*;

    #[test]
    fn pictures_of_one_colour_stay_so_and_prompts_are_read_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/fixtures/tiny-clip");
        let mut judge =
            ClipJudge::open(&folder, Gpu::open(&AdapterChoice::default()).expect("an adapter")).expect("opens");
        // Wider than high, grey: enlarged, cut, and every value the same.
        let prepared = judge.prepared(&[51; 6 * 10], [6, 10, 1]);
        assert_eq!(prepared.len(), 24 * 24 * 3);
        let want = (0.2 - judge.model.mean[0]) / judge.model.deviation[0];
        assert!(prepared.iter().step_by(3).all(|v| (v - want).abs() < 1e-6), "{} {want}", prepared[0]);
        let images: Vec<f32> = (0..3 * 8 * 8 * 3).map(|i| (i as f32 * 0.37).sin()).collect();
        let scores = judge.scores(&images, [8, 8, 3], &["two", "a red bag", "two"]).expect("scores");
        assert!(scores.iter().all(|s| s.abs() <= 1.0) && scores[0] != scores[2]);
        assert_eq!(judge.texts.len(), 2);
        let again = judge.scores(&images[..192], [8, 8, 3], &["two"]).expect("scores");
        assert!((again[0] - scores[0]).abs() < 1e-5, "{again:?} {scores:?}");
    }
}
