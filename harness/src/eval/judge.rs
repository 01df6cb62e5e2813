//! What images show, as a classifier sees them, and how far their features are from those of real images.

use std::path::Path;
use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::Plain;
use masque_engine::gpu::Gpu;
use masque_models::Classifier;
use masque_models::classifier::{FEATURES, IMAGES, brightest};

use super::real::Features;
use crate::engine::EngineError;
use crate::error::{Error, Result};

/// Images judged at once.
const TOGETHER: usize = 64;

/// A classifier on a device.
pub struct Judge {
    classifier: Arc<Classifier>,
    gpu: Arc<Gpu>,
    plain: Option<Plain>,
}

/// What a classifier finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// `[n, FEATURES]`: the values before the last layer.
    pub features: Vec<f32>,
    /// The likeliest class of each image.
    pub classes: Vec<usize>,
    /// Logarithms of the classes' probabilities, a row for each image.
    pub log_probabilities: Vec<Vec<f64>>,
}

impl Judge {
    /// Opens the folder of a classifier.
    pub fn open(folder: &Path, gpu: Arc<Gpu>) -> Result<Self> {
        let classifier = Classifier::open(folder).map_err(|e| Error::input(folder, format!("no classifier: {e}")))?;
        Ok(Self { classifier: Arc::new(classifier), gpu, plain: None })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classifier.classes()
    }

    /// Height and width of the images that it takes.
    pub fn size(&self) -> usize {
        self.classifier.size()
    }

    /// Looks at images `[n, size, size, channels]` with values in [-1, 1]; of several channels at the brightest.
    pub fn look(&mut self, images: &[f32], channels: usize) -> Result<Findings> {
        let grey = brightest(images, channels);
        let len = self.size() * self.size();
        let mut findings = Findings::default();
        for some in grey.chunks(TOGETHER * len) {
            let n = some.len() / len;
            let values = self.network(n)?.run(&[(IMAGES, some)]).map_err(EngineError::from)?;
            for row in values.chunks_exact(FEATURES + self.classes()) {
                let (features, scores) = row.split_at(FEATURES);
                findings.features.extend(features);
                let logs = log_softmax(scores);
                let best = (0..logs.len()).max_by(|a, b| logs[*a].total_cmp(&logs[*b])).unwrap_or(0);
                findings.classes.push(best);
                findings.log_probabilities.push(logs);
            }
        }
        Ok(findings)
    }

    /// The network for `n` images; that for a full batch is kept.
    fn network(&mut self, n: usize) -> Result<&mut Plain> {
        let graph = self.plain.as_ref().map(Plain::graph);
        if graph.is_none_or(|g| g.node(g.output).shape[0] != n) {
            let graph = Arc::new(self.classifier.graph(n).map_err(EngineError::from)?);
            self.plain = Some(Plain::new(self.gpu.clone(), graph, self.classifier.clone(), Approx::Exact));
        }
        self.plain.as_mut().ok_or_else(|| Error::Setting("no network".into()))
    }
}

impl Features for Judge {
    fn width(&self) -> usize {
        FEATURES
    }

    fn distance(&self) -> &'static str {
        "FD (features of that classifier, not Inception's)"
    }

    fn check(&self, [h, w, _]: [usize; 3]) -> std::result::Result<(), String> {
        let size = self.size();
        match [h, w] == [size; 2] {
            true => Ok(()),
            false => Err(format!("the judge looks at {size} x {size} pixels, not at {w} x {h}")),
        }
    }

    fn features(&mut self, images: &[f32], extents: [usize; 3]) -> Result<Vec<f32>> {
        Ok(self.look(images, extents[2])?.features)
    }
}

fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted: Vec<f64> = scores.iter().map(|s| f64::from(s - most)).collect();
    let log_sum = shifted.iter().map(|s| s.exp()).sum::<f64>().ln();
    shifted.iter().map(|s| s - log_sum).collect()
}

#[cfg(test)]
mod tests {
    use masque_engine::gpu::AdapterChoice;
    use safetensors::SafeTensors;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::eval::fid::{Moments, Target};
    use crate::eval::real::target;

    fn asset(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(path)
    }

    #[test]
    fn the_graph_finds_what_plain_loops_find() {
        let folder = asset("binary-mnist/classifier");
        let mut judge = Judge::open(&folder, Gpu::open(&AdapterChoice::default()).expect("an adapter")).expect("opens");
        let bytes = std::fs::read(asset("fixtures/digits.safetensors")).expect("the fixture");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let images: Vec<f32> =
            file.tensor("images").expect("images").data().iter().map(|b| f32::from(*b) / 127.5 - 1.0).collect();
        let oracle = Classifier::open(&folder).expect("opens");
        let found = judge.look(&images, 1).expect("looks");
        assert_eq!(found.classes, oracle.classify(&images).expect("whole images"));
        let want = oracle.features(&images).expect("whole images").concat();
        assert_eq!(found.features.len(), want.len());
        let far = found.features.iter().zip(&want).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
        assert!(far < 1e-4, "features differ by {far}");
        let sum: f64 = found.log_probabilities[3].iter().map(|l| l.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        // The same images as a set of real ones, all of one split.
        let real = target(&mut judge, &asset("fixtures/digits.safetensors")).expect("images of the right size");
        assert_eq!(real, Target::new(Moments::of(&found.features, FEATURES).expect("20 images")));
        let text = target(&mut judge, &asset("fixtures/schedule.safetensors")).expect_err("no images").one_line();
        assert!(text.contains("[n, h, w]"), "{text}");
        let bytes = safetensors::serialize(
            [("images", TensorView::new(Dtype::U8, vec![2, 3, 3], &[0; 18]).expect("nine pixels each"))],
            None,
        );
        let dir = tempfile::tempdir().expect("temporary folder");
        let small = dir.path().join("small.safetensors");
        std::fs::write(&small, bytes.expect("serialised")).expect("temporary file");
        let text = target(&mut judge, &small).expect_err("too small").one_line();
        assert!(text.contains("28 x 28 pixels, not at 3 x 3"), "{text}");
    }
}
