//! The judge: a small network that says what an image shows.
//!
//! It measures the quality of generated images and takes no part in their generation. Three times 3x3 convolution, ReLU and
//! 2x2 maximum; two linear layers with ReLU between. For few images there are plain loops on the CPU, for many a graph:
//! [`Classifier::graph`], with the classifier itself as its weights.

use std::path::Path;

use masque_engine::graph::ops::{Conv2d, Function};
use masque_engine::graph::{Graph, GraphBuilder, Tensor, Visibility, WeightError, WeightSpec, WeightStore};
use sha2::{Digest, Sha256};

use crate::config::Fields;
use crate::{Checkpoint, ModelError};

/// Grey images from images with several channels last: the brightest channel of each position, as the judge of coloured images
/// was trained.
pub fn brightest(images: &[f32], channels: usize) -> Vec<f32> {
    images.chunks(channels.max(1)).map(|c| c.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect()
}

/// Channels of the input and of the three convolutions.
const CHANNELS: [usize; 4] = [1, 16, 32, 64];
/// Width of the layer before the last.
pub const FEATURES: usize = 64;
/// Name of the graph's input `[n, size, size, 1]`.
pub const IMAGES: &str = "images";

/// A trained classifier of square grey images with values in `[-1, 1]`.
#[derive(Debug)]
pub struct Classifier {
    size: usize,
    convolutions: Vec<Layer>,
    hidden: Layer,
    last: Layer,
}

#[derive(Debug)]
struct Layer {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Classifier {
    /// Reads `config.json` and `model.safetensors` of a folder.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let mut f = Fields::read(&folder.join("config.json"))?;
        let classes = f.required("classes").and_then(|n| f.bounded("classes", n, 1, 1000))?;
        let size = f.required("size").and_then(|n| f.bounded("size", n, 8, 512))?;
        let file = Checkpoint::open(folder.join("model.safetensors"))?;
        let mut expected = Vec::new();
        let mut layer = |path: &str, shape: &[usize]| {
            expected.push(WeightSpec { name: format!("{path}.weight"), shape: shape.to_vec() });
            expected.push(WeightSpec { name: format!("{path}.bias"), shape: shape[..1].to_vec() });
        };
        for (i, c) in CHANNELS.windows(2).enumerate() {
            layer(&format!("conv{}", i + 1), &[c[1], c[0], 3, 3]);
        }
        layer("fc1", &[FEATURES, CHANNELS[3] * (size / 8) * (size / 8)]);
        layer("fc2", &[classes, FEATURES]);
        file.check(&expected)?;
        let read = |path: &str| -> Result<Layer, ModelError> {
            let part = |part: &str| file.tensor(&format!("{path}.{part}")).map(|t: Tensor| t.data);
            Ok(Layer { weight: part("weight")?, bias: part("bias")? })
        };
        let convolutions = ["conv1", "conv2", "conv3"].into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { size, convolutions, hidden: read("fc1")?, last: read("fc2")? })
    }

    /// Height and width of the images.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The network for `n` images: `[n, FEATURES + classes]`, for each image the values before the last layer, then the
    /// scores of the classes before softmax.
    pub fn graph(&self, n: usize) -> Result<Graph, ModelError> {
        let mut g = GraphBuilder::new("classifier");
        let mut x = g.input(IMAGES, &[n, self.size, self.size, 1], Visibility::Public)?;
        for (i, c) in CHANNELS.windows(2).enumerate() {
            let path = format!("conv{}", i + 1);
            x = g.conv2d(&path, x, Conv2d::same(&path, c[0], c[1], 3))?;
            x = g.activation(&format!("relu{}", i + 1), x, Function::Relu)?;
            x = g.max_pool(&format!("pool{}", i + 1), x, 2, 2)?;
        }
        // A layer on all positions is a convolution with a single one; it takes the weights as torch flattens images.
        let fc1 = Conv2d {
            path: "fc1".into(),
            inputs: CHANNELS[3],
            outputs: FEATURES,
            kernel: self.size / 8,
            stride: 1,
            pad: 0,
            pad_after: 0,
        };
        x = g.conv2d("fc1", x, fc1)?;
        x = g.activation("relu4", x, Function::Relu)?;
        let features = g.reshape("features", x, &[n, FEATURES])?;
        let scores = g.linear("fc2", features, self.classes(), true)?;
        let out = g.concat("out", features, scores)?;
        Ok(g.finish(out))
    }

    fn layer(&self, path: &str) -> Option<(&Layer, Vec<usize>)> {
        let side = self.size / 8;
        Some(match path {
            "conv1" => (self.convolutions.first()?, vec![CHANNELS[1], CHANNELS[0], 3, 3]),
            "conv2" => (self.convolutions.get(1)?, vec![CHANNELS[2], CHANNELS[1], 3, 3]),
            "conv3" => (self.convolutions.get(2)?, vec![CHANNELS[3], CHANNELS[2], 3, 3]),
            "fc1" => (&self.hidden, vec![FEATURES, CHANNELS[3], side, side]),
            "fc2" => (&self.last, vec![self.classes(), FEATURES]),
            _ => return None,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.last.bias.len()
    }

    /// The most likely class of each image; `images` is any number of images one after the other.
    pub fn classify(&self, images: &[f32]) -> Result<Vec<usize>, ModelError> {
        let best = |scores: &Vec<f32>| (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0);
        Ok(self.features(images)?.iter().map(|f| best(&self.last.apply(f))).collect())
    }

    /// The 64 values before the last layer for each image, on which a Frechet distance can be measured.
    pub fn features(&self, images: &[f32]) -> Result<Vec<Vec<f32>>, ModelError> {
        let len = self.size * self.size;
        if !images.len().is_multiple_of(len) {
            let what = format!("{} values are no whole number of images of {len}", images.len());
            return Err(ModelError::Request(what));
        }
        Ok(images.chunks_exact(len).map(|image| self.image_features(image)).collect())
    }

    fn image_features(&self, image: &[f32]) -> Vec<f32> {
        let (mut planes, mut size) = (image.to_vec(), self.size);
        for layer in &self.convolutions {
            planes = layer.convolve(&planes, size);
            planes = halve(&planes, size);
            size /= 2;
        }
        // planes are channel by channel, which is the order torch flattens in
        let mut features = self.hidden.apply(&planes);
        features.iter_mut().for_each(|x| *x = x.max(0.0));
        features
    }
}

/// The weights of [`Classifier::graph`].
impl WeightStore for Classifier {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        let found = name.rsplit_once('.').and_then(|(path, part)| Some((self.layer(path)?, part)));
        match found {
            Some(((layer, shape), "weight")) => Ok(Tensor { shape, data: layer.weight.clone() }),
            Some(((layer, shape), "bias")) => Ok(Tensor { shape: shape[..1].to_vec(), data: layer.bias.clone() }),
            _ => Err(WeightError::Missing { store: "the classifier".into(), tensor: name.into() }),
        }
    }

    fn digest(&self) -> [u8; 32] {
        let mut h = Sha256::new();
        for layer in self.convolutions.iter().chain([&self.hidden, &self.last]) {
            for value in layer.weight.iter().chain(&layer.bias) {
                h.update(value.to_le_bytes());
            }
        }
        h.finalize().into()
    }
}

impl Layer {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(x.len().max(1)).zip(&self.bias);
        rows.map(|(row, bias)| bias + row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>()).collect()
    }

    /// 3x3 convolution of `[c, size, size]` with a border of zeros.
    fn convolve(&self, x: &[f32], size: usize) -> Vec<f32> {
        let kernels = self.weight.chunks_exact(self.weight.len() / self.bias.len());
        let mut y = Vec::with_capacity(self.bias.len() * size * size);
        for (kernel, bias) in kernels.zip(&self.bias) {
            let mut out = vec![*bias; size * size];
            for (plane, k) in x.chunks_exact(size * size).zip(kernel.chunks_exact(9)) {
                for (tap, weight) in k.iter().enumerate() {
                    accumulate(&mut out, plane, size, tap, *weight);
                }
            }
            y.append(&mut out);
        }
        y
    }
}

/// Adds a plane, shifted as one tap of a 3x3 kernel does, times its weight.
fn accumulate(out: &mut [f32], plane: &[f32], size: usize, tap: usize, weight: f32) {
    let (ky, kx) = (tap / 3, tap % 3);
    for y in 1usize.saturating_sub(ky)..size.min(size + 1 - ky) {
        for x in 1usize.saturating_sub(kx)..size.min(size + 1 - kx) {
            out[y * size + x] += weight * plane[(y + ky - 1) * size + x + kx - 1];
        }
    }
}

/// ReLU and 2x2 maximum of `[c, size, size]`; an odd last row and column is dropped.
fn halve(x: &[f32], size: usize) -> Vec<f32> {
    let half = size / 2;
    let mut y = Vec::with_capacity(x.len() / 4);
    for plane in x.chunks_exact(size * size) {
        for i in 0..half * half {
            let at = 2 * (i / half) * size + 2 * (i % half);
            let corners = [plane[at], plane[at + 1], plane[at + size], plane[at + size + 1]];
            y.push(corners.into_iter().fold(0.0, f32::max));
        }
    }
    y
}
