//! Shapes of Stable Diffusion v1.5 at 512 x 512, one image, by name. The number behind a name is the extent of the feature
//! maps: 64, 32, 16 and 8 in the network from outside to inside.

/// Batch of products `[m, k] [k, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Products, here heads.
    pub batches: usize,
    /// Rows of the result.
    pub m: usize,
    /// Inner extent.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// Whether the right-hand side is the server's weights.
    pub weights: bool,
}

/// Convolution of `channels x extent x extent` with the server's weights, or with a secret kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the image.
    pub extent: usize,
    /// Extent of the kernel.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
}

const fn attention(m: usize, k: usize, n: usize) -> Product {
    Product { batches: 8, m, k, n, weights: false }
}

const fn dense(m: usize, k: usize, n: usize) -> Product {
    Product { batches: 1, m, k, n, weights: true }
}

/// Products of attention and dense layers: `qk` logits, `av` values, `cross-` with the 77 tokens of the prompt, `to-q`
/// projections, `ff-in` and `ff-out` of the feed-forward, `context` of the prompt, `time` of the step.
pub const PRODUCTS: &[(&str, Product)] = &[
    ("qk-64", attention(4096, 40, 4096)),
    ("qk-32", attention(1024, 80, 1024)),
    ("qk-16", attention(256, 160, 256)),
    ("qk-8", attention(64, 160, 64)),
    ("av-64", attention(4096, 4096, 40)),
    ("av-32", attention(1024, 1024, 80)),
    ("av-16", attention(256, 256, 160)),
    ("av-8", attention(64, 64, 160)),
    ("cross-qk-64", attention(4096, 40, 77)),
    ("cross-av-64", attention(4096, 77, 40)),
    ("to-q-64", dense(4096, 320, 320)),
    ("to-q-32", dense(1024, 640, 640)),
    ("to-q-16", dense(256, 1280, 1280)),
    ("ff-in-64", dense(4096, 320, 2560)),
    ("ff-in-32", dense(1024, 640, 5120)),
    ("ff-in-16", dense(256, 1280, 10240)),
    ("ff-out-64", dense(4096, 1280, 320)),
    ("ff-out-32", dense(1024, 2560, 640)),
    ("ff-out-16", dense(256, 5120, 1280)),
    ("context-64", dense(77, 768, 320)),
    ("time", dense(1, 320, 1280)),
];

const fn conv(inputs: usize, outputs: usize, extent: usize, kernel: usize, stride: usize) -> Conv {
    Conv { inputs, outputs, extent, kernel, stride }
}

/// Convolutions: of residual blocks, of their shortcuts (`skip`), between resolutions (`down`), at the ends (`in`, `out`).
pub const CONVS: &[(&str, Conv)] = &[
    ("res-64", conv(320, 320, 64, 3, 1)),
    ("res-32", conv(640, 640, 32, 3, 1)),
    ("res-16", conv(1280, 1280, 16, 3, 1)),
    ("res-8", conv(1280, 1280, 8, 3, 1)),
    ("skip-64", conv(640, 320, 64, 1, 1)),
    ("skip-32", conv(1280, 640, 32, 1, 1)),
    ("down-64", conv(320, 320, 64, 3, 2)),
    ("down-32", conv(640, 640, 32, 3, 2)),
    ("in-64", conv(4, 320, 64, 3, 1)),
    ("out-64", conv(320, 4, 64, 3, 1)),
];

/// Positions and channels of normalisations; group normalisation has 32 groups.
pub const NORMS: &[(&str, (usize, usize))] =
    &[("norm-64", (4096, 320)), ("norm-32", (1024, 640)), ("norm-16", (256, 1280)), ("norm-8", (64, 1280))];

/// Rows and columns of all heads' attention weights.
pub const ATTENTIONS: &[(&str, (usize, usize))] = &[
    ("attention-64", (32768, 4096)),
    ("attention-32", (8192, 1024)),
    ("attention-16", (2048, 256)),
    ("attention-8", (512, 64)),
    ("cross-64", (32768, 77)),
];
