//! The network whose features the Frechet inception distance is defined on: Inception v3 as pytorch-fid builds it
//! (<https://github.com/mseitzer/pytorch-fid>), with that package's names of tensors.
//!
//! It differs from torchvision's network where the original of TensorFlow does: mean pools leave out what lies outside the
//! image, and the pool of the last block takes largest values. Images are resized to 299 x 299 as that package does: bilinear,
//! without corner alignment and without smoothing, values from -1 to 1. Batch normalisations (eps 0.001) are folded into the
//! convolutions before them. Features are the 2048 means over the last block's positions.

use masque_engine::graph::ops::{Conv2d, Function, Pool};
use masque_engine::graph::{
    Graph, GraphBuilder, Id, Tensor, Visibility, WeightError, WeightSpec, WeightStore, elements,
};
use masque_engine::kernels;

use crate::blocks::Built;
use crate::unet2d::check_batch;
use crate::{Checkpoint, ModelError};

/// Name of the graph's input `[n, SIZE, SIZE, 3]`, values from -1 to 1.
pub const IMAGES: &str = "images";
/// Rows and columns of the input.
pub const SIZE: usize = 299;
/// Features of an image.
pub const FEATURES: usize = 2048;

const EPS: f32 = 1e-3;
const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// The network's weights, whatever holds them under pytorch-fid's names.
#[derive(Debug)]
pub struct Inception<S = Checkpoint>(S);

impl Inception {
    /// Opens a safetensors file made of pytorch-fid's `pt_inception-2015-12-05`, and checks it. The classes' layer (`fc.`) is
    /// not read.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, ModelError> {
        let file = Checkpoint::open(path)?;
        let expected = specs()?;
        let counters: Vec<String> = expected
            .iter()
            .filter_map(|w| w.name.strip_suffix("conv.weight").map(|path| format!("{path}bn.num_batches_tracked")))
            .collect();
        let others: Vec<&str> = counters.iter().map(String::as_str).chain(["fc.", "AuxLogits."]).collect();
        file.check_part(&expected, &others)?;
        Ok(Self(file))
    }
}

impl<S> Inception<S> {
    /// With weights from elsewhere.
    pub fn with(weights: S) -> Self {
        Self(weights)
    }
}

/// The tensors that are read.
pub fn specs() -> Result<Vec<WeightSpec>, ModelError> {
    let mut net = Net::new(1)?;
    net.features()?;
    let tensors = net.layers.into_iter().flat_map(|(path, shape)| {
        let norm = BATCH_NORM.map(|part| WeightSpec { name: format!("{path}.bn.{part}"), shape: vec![shape[0]] });
        [WeightSpec { name: format!("{path}.conv.weight"), shape: shape.to_vec() }].into_iter().chain(norm)
    });
    Ok(tensors.collect())
}

/// The network for `n` images; its output is `[n, FEATURES]`, its weights come from an [`Inception`].
pub fn graph(n: usize) -> Result<Graph, ModelError> {
    check_batch(n)?;
    let mut net = Net::new(n)?;
    let out = net.features()?;
    Ok(net.g.finish(out))
}

impl<S: WeightStore> WeightStore for Inception<S> {
    /// A folded layer's `path.weight` or `path.bias`. Layers whose kernel is not square are linear layers on taps side by
    /// side, so that their weights are `[outputs, rows columns inputs]`.
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        let Some((path, part)) = name.rsplit_once('.') else {
            return Err(WeightError::Missing { store: "inception".into(), tensor: name.into() });
        };
        let [weight, bias, mean, variance] = BATCH_NORM.map(|part| self.0.tensor(&format!("{path}.bn.{part}")));
        let (weight, bias, mean, variance) = (weight?.data, bias?.data, mean?.data, variance?.data);
        let factors: Vec<f32> = weight.iter().zip(&variance).map(|(w, v)| w / (v + EPS).sqrt()).collect();
        if part == "bias" {
            let data: Vec<f32> = bias.iter().zip(&mean).zip(&factors).map(|((b, m), f)| b - m * f).collect();
            return Ok(Tensor { shape: vec![data.len()], data });
        }
        let Tensor { shape, mut data } = self.0.tensor(&format!("{path}.conv.weight"))?;
        let inner = elements(&shape) / shape.first().copied().unwrap_or(1).max(1);
        data.chunks_mut(inner.max(1)).zip(&factors).for_each(|(row, f)| row.iter_mut().for_each(|w| *w *= f));
        match shape.as_slice() {
            [outputs, inputs, rows, columns] if rows != columns => {
                let taps = rows * columns;
                let by_tap = |row: &[f32]| -> Vec<f32> {
                    (0..taps * inputs).map(|i| row[i % inputs * taps + i / inputs]).collect()
                };
                let data = data.chunks(inner.max(1)).flat_map(by_tap).collect();
                Ok(Tensor { shape: vec![*outputs, taps * inputs], data })
            }
            _ => Ok(Tensor { shape, data }),
        }
    }

    fn digest(&self) -> [u8; 32] {
        self.0.digest()
    }
}

/// Convolutions one after the other: last part of the path, outputs, kernel.
type Chain<'a> = [(&'a str, usize, [usize; 2])];
/// The convolution that ends a branch, those before it, its outputs.
type Branch<'a> = (&'a str, &'a Chain<'a>, usize);

struct Net {
    g: GraphBuilder,
    images: Id,
    /// Paths and kernels `[outputs, inputs, rows, columns]`, in the order of the graph.
    layers: Vec<(String, [usize; 4])>,
}

/// What a convolution does to the image's extent.
#[derive(Clone, Copy)]
enum Fit {
    /// Keeps it.
    Same,
    /// Whole windows only, this many positions apart.
    Inside(usize),
}

use Fit::{Inside, Same};

impl Net {
    fn new(n: usize) -> Result<Self, ModelError> {
        let mut g = GraphBuilder::new("inception");
        let images = g.input(IMAGES, &[n, SIZE, SIZE, 3], Visibility::Public)?;
        Ok(Self { g, images, layers: Vec::new() })
    }

    /// Convolution, batch normalisation, ReLU.
    fn conv(&mut self, path: &str, x: Id, outputs: usize, kernel: [usize; 2], fit: Fit) -> Built {
        let inputs = self.g.shape(x).last().copied().unwrap_or(0);
        self.layers.push((path.into(), [outputs, inputs, kernel[0], kernel[1]]));
        let y = match (fit, kernel) {
            (Same, [rows, columns]) if rows != columns => {
                let taps = self.g.unfold(&format!("{path}.taps"), x, kernel)?;
                self.g.linear(path, taps, outputs, true)?
            }
            (Same, [k, _]) => self.g.conv2d(path, x, Conv2d::same(path, inputs, outputs, k))?,
            (Inside(stride), [kernel, _]) => {
                let op = Conv2d { path: path.into(), inputs, outputs, kernel, stride, pad: 0, pad_after: 0 };
                self.g.conv2d(path, x, op)?
            }
        };
        self.g.activation(&format!("{path}.relu"), y, Function::Relu)
    }

    /// Convolutions that keep the extent.
    fn chain(&mut self, block: &str, mut x: Id, layers: &Chain<'_>) -> Built {
        for (name, outputs, kernel) in layers {
            x = self.conv(&format!("{block}.{name}"), x, *outputs, *kernel, Same)?;
        }
        Ok(x)
    }

    fn pool(&mut self, path: &str, x: Id, what: kernels::Pool, stride: usize, pad: usize) -> Built {
        self.g.pool(&format!("{path}.pool"), x, Pool { what, kernel: 3, stride, pad })
    }

    fn join(&mut self, block: &str, parts: &[Id]) -> Built {
        let mut all = parts[0];
        for (i, part) in parts.iter().enumerate().skip(1) {
            all = self.g.concat(&format!("{block}.concat.{i}"), all, *part)?;
        }
        Ok(all)
    }

    fn features(&mut self) -> Built {
        let max = kernels::Pool::Max;
        let mut x = self.conv("Conv2d_1a_3x3", self.images, 32, [3, 3], Inside(2))?;
        x = self.conv("Conv2d_2a_3x3", x, 32, [3, 3], Inside(1))?;
        x = self.conv("Conv2d_2b_3x3", x, 64, [3, 3], Same)?;
        x = self.pool("maxpool1", x, max, 2, 0)?;
        x = self.conv("Conv2d_3b_1x1", x, 80, [1, 1], Same)?;
        x = self.conv("Conv2d_4a_3x3", x, 192, [3, 3], Inside(1))?;
        x = self.pool("maxpool2", x, max, 2, 0)?;
        for (block, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            x = self.small(block, x, pooled)?;
        }
        x = self.halve(
            "Mixed_6a",
            x,
            &[
                ("branch3x3", &[], 384),
                ("branch3x3dbl_3", &[("branch3x3dbl_1", 64, [1, 1]), ("branch3x3dbl_2", 96, [3, 3])], 96),
            ],
        )?;
        for (block, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            x = self.crosses(block, x, width)?;
        }
        let long = [("branch7x7x3_1", 192, [1, 1]), ("branch7x7x3_2", 192, [1, 7]), ("branch7x7x3_3", 192, [7, 1])];
        x = self.halve(
            "Mixed_7a",
            x,
            &[("branch3x3_2", &[("branch3x3_1", 192, [1, 1])], 320), ("branch7x7x3_4", &long, 192)],
        )?;
        x = self.wide("Mixed_7b", x, kernels::Pool::Mean)?;
        x = self.wide("Mixed_7c", x, max)?;
        let (n, side) = (self.g.shape(x)[0], self.g.shape(x)[1]);
        let mean = Pool { what: kernels::Pool::Mean, kernel: side, stride: 1, pad: 0 };
        x = self.g.pool("avgpool", x, mean)?;
        self.g.reshape("features", x, &[n, FEATURES])
    }

    /// 35 x 35 positions: branches of 1x1, 5x5 and twice 3x3.
    fn small(&mut self, block: &str, x: Id, pooled: usize) -> Built {
        let a = self.chain(block, x, &[("branch1x1", 64, [1, 1])])?;
        let b = self.chain(block, x, &[("branch5x5_1", 48, [1, 1]), ("branch5x5_2", 64, [5, 5])])?;
        let double = [("branch3x3dbl_1", 64, [1, 1]), ("branch3x3dbl_2", 96, [3, 3]), ("branch3x3dbl_3", 96, [3, 3])];
        let c = self.chain(block, x, &double)?;
        let d = self.pool(block, x, kernels::Pool::Mean, 1, 1)?;
        let d = self.chain(block, d, &[("branch_pool", pooled, [1, 1])])?;
        self.join(block, &[a, b, c, d])
    }

    /// Half the extent: branches that end in a 3x3 convolution with stride 2, and a pool.
    fn halve(&mut self, block: &str, x: Id, branches: &[Branch<'_>]) -> Built {
        let mut parts = Vec::new();
        for (last, before, outputs) in branches {
            let y = self.chain(block, x, before)?;
            parts.push(self.conv(&format!("{block}.{last}"), y, *outputs, [3, 3], Inside(2))?);
        }
        parts.push(self.pool(block, x, kernels::Pool::Max, 2, 0)?);
        self.join(block, &parts)
    }

    /// 17 x 17 positions: 7x7 in rows and columns.
    fn crosses(&mut self, block: &str, x: Id, w: usize) -> Built {
        let a = self.chain(block, x, &[("branch1x1", 192, [1, 1])])?;
        let once = [("branch7x7_1", w, [1, 1]), ("branch7x7_2", w, [1, 7]), ("branch7x7_3", 192, [7, 1])];
        let b = self.chain(block, x, &once)?;
        let twice = [
            ("branch7x7dbl_1", w, [1, 1]),
            ("branch7x7dbl_2", w, [7, 1]),
            ("branch7x7dbl_3", w, [1, 7]),
            ("branch7x7dbl_4", w, [7, 1]),
            ("branch7x7dbl_5", 192, [1, 7]),
        ];
        let c = self.chain(block, x, &twice)?;
        let d = self.pool(block, x, kernels::Pool::Mean, 1, 1)?;
        let d = self.chain(block, d, &[("branch_pool", 192, [1, 1])])?;
        self.join(block, &[a, b, c, d])
    }

    /// 8 x 8 positions: branches that split into a row and a column.
    fn wide(&mut self, block: &str, x: Id, pool: kernels::Pool) -> Built {
        let a = self.chain(block, x, &[("branch1x1", 320, [1, 1])])?;
        let mut parts = vec![a];
        let double = [("branch3x3dbl_1", 448, [1, 1]), ("branch3x3dbl_2", 384, [3, 3])];
        let stems: [(&[_], [&str; 2]); 2] = [
            (&[("branch3x3_1", 384, [1, 1])], ["branch3x3_2a", "branch3x3_2b"]),
            (&double, ["branch3x3dbl_3a", "branch3x3dbl_3b"]),
        ];
        for (stem, [row, column]) in stems {
            let y = self.chain(block, x, stem)?;
            parts.push(self.chain(block, y, &[(row, 384, [1, 3])])?);
            parts.push(self.chain(block, y, &[(column, 384, [3, 1])])?);
        }
        let d = self.pool(block, x, pool, 1, 1)?;
        parts.push(self.chain(block, d, &[("branch_pool", 192, [1, 1])])?);
        self.join(block, &parts)
    }
}

/// Images `[n, h, w, channels]` (three channels, or one three times) in the network's size.
pub fn prepared(images: &[f32], [h, w, channels]: [usize; 3]) -> Vec<f32> {
    let rows = taps(h, SIZE);
    let columns = taps(w, SIZE);
    let mut out = Vec::with_capacity(images.len() / (h * w * channels).max(1) * SIZE * SIZE * 3);
    for image in images.chunks_exact((h * w * channels).max(1)) {
        for (top, bottom, down) in &rows {
            for (left, right, along) in &columns {
                for c in 0..3 {
                    let at = |y: usize, x: usize| image[(y * w + x) * channels + c.min(channels - 1)];
                    let upper = at(*top, *left) * (1.0 - along) + at(*top, *right) * along;
                    let lower = at(*bottom, *left) * (1.0 - along) + at(*bottom, *right) * along;
                    out.push(upper * (1.0 - down) + lower * down);
                }
            }
        }
    }
    out
}

/// For each position of an extent the two neighbours in the other and the weight of the second: centres of pixels coincide in
/// scale, the border repeats.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    let tap = |i: usize| {
        let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
        let low = (at as usize).min(from - 1);
        (low, (low + 1).min(from - 1), at - low as f32)
    };
    (0..to).map(tap).collect()
}
