//! What the networks of diffusers have in common: residual blocks, attention over positions, changes of resolution.

use masque_engine::graph::ops::{Conv2d, Function};
use masque_engine::graph::{GraphBuilder, GraphError, Id, elements};

use crate::ModelError;
use crate::config::Downsample;
use crate::tap::REPEATED;

pub(crate) type Built = Result<Id, GraphError>;

/// A graph under construction and what all of its residual blocks share.
pub(crate) struct Blocks {
    pub(crate) g: GraphBuilder,
    /// Groups of the normalisations.
    pub(crate) groups: usize,
    /// Added to their variances.
    pub(crate) eps: f32,
    /// Non-linearity of the residual blocks.
    pub(crate) act: Function,
    /// Time embedding that they add, before the non-linearity.
    pub(crate) embedding: Option<Id>,
    /// Classes that every residual block embeds for itself, beside the time.
    pub(crate) class: Option<Id>,
    activated: Option<Id>,
    /// Beginning of the paths whose self-attention maps are identities.
    pub(crate) identity: Option<String>,
    /// Such attentions so far.
    pub(crate) identities: usize,
}

impl Blocks {
    pub(crate) fn new(g: GraphBuilder, groups: usize, eps: f32, act: Function, embedding: Option<Id>) -> Self {
        Self { g, groups, eps, act, embedding, class: None, activated: None, identity: None, identities: 0 }
    }

    pub(crate) fn channels(&self, x: Id) -> usize {
        self.g.shape(x).last().copied().unwrap_or(0)
    }

    pub(crate) fn conv(&mut self, path: &str, x: Id, outputs: usize, kernel: usize) -> Built {
        self.g.conv2d(path, x, Conv2d::same(path, self.channels(x), outputs, kernel))
    }

    pub(crate) fn norm(&mut self, path: &str, x: Id) -> Built {
        self.g.group_norm(path, x, self.groups, self.eps)
    }

    /// A residual block; with the time embedding in the middle if there is one.
    pub(crate) fn resnet(&mut self, path: &str, x: Id, outputs: usize) -> Built {
        let at = |name: &str| format!("{path}.{name}");
        let h = self.norm(&at("norm1"), x)?;
        let h = self.g.activation(&at("nonlinearity"), h, self.act)?;
        let mut h = self.conv(&at("conv1"), h, outputs, 3)?;
        let mut second = "nonlinearity#2";
        if let Some(embedding) = self.embedding {
            let t = self.activated(path, embedding)?;
            let mut t = self.g.linear(&at("time_emb_proj"), t, outputs, true)?;
            if let Some(class) = self.class {
                let c = self.g.embedding(&at("class_embedding"), class, outputs)?;
                t = self.g.add(&at("embedding"), t, c)?;
            }
            h = self.g.add(&at("time_add"), h, t)?;
            second = "nonlinearity#3";
        }
        let h = self.norm(&at("norm2"), h)?;
        let h = self.g.activation(&at(second), h, self.act)?;
        let h = self.conv(&at("conv2"), h, outputs, 3)?;
        let skip = if self.channels(x) == outputs { x } else { self.conv(&at("conv_shortcut"), x, outputs, 1)? };
        self.g.add(path, skip, h)
    }

    /// The embedding behind the residual blocks' non-linearity, computed for the first of them.
    fn activated(&mut self, path: &str, embedding: Id) -> Built {
        if let Some(id) = self.activated {
            return Ok(id);
        }
        let id = self.g.activation(&format!("{path}{REPEATED}"), embedding, self.act)?;
        self.activated = Some(id);
        Ok(id)
    }

    /// The positions of images as tokens `[n, positions, channels]`.
    pub(crate) fn tokens(&mut self, path: &str, x: Id) -> Built {
        let shape = self.g.shape(x).to_vec();
        let (n, c) = (shape[0], self.channels(x));
        self.g.reshape(&format!("{path}.tokens"), x, &[n, elements(&shape) / (n * c), c])
    }

    /// Self-attention over the positions of an image, with its own normalisation and biases everywhere.
    pub(crate) fn attention(&mut self, path: &str, x: Id, groups: usize, heads: usize) -> Built {
        let (shape, c) = (self.g.shape(x).to_vec(), self.channels(x));
        let at = |name: &str| format!("{path}.{name}");
        let tokens = self.tokens(path, x)?;
        let tokens = self.g.group_norm(&at("group_norm"), tokens, groups, self.eps)?;
        let y = if self.is_identity(path) {
            self.g.linear(&at("to_v"), tokens, c, true)?
        } else {
            let q = self.g.linear(&at("to_q"), tokens, c, true)?;
            let k = self.g.linear(&at("to_k"), tokens, c, true)?;
            let v = self.g.linear(&at("to_v"), tokens, c, true)?;
            self.g.attention(&at("core"), q, k, v, heads)?
        };
        let y = self.g.linear(&at("to_out.0"), y, c, true)?;
        let y = self.g.reshape(&at("image"), y, &shape)?;
        self.g.add(path, y, x)
    }

    /// Whether the self-attention of that path is perturbed: every token then sees itself only.
    pub(crate) fn is_identity(&mut self, path: &str) -> bool {
        let identity = self.identity.as_ref().is_some_and(|block| path.starts_with(block.as_str()));
        self.identities += usize::from(identity);
        identity
    }

    /// Fails if no attention was perturbed although a block was named.
    pub(crate) fn check_identity(&self) -> Result<(), ModelError> {
        match &self.identity {
            Some(block) if self.identities == 0 => Err(ModelError::Request(format!(
                "no self-attention of the network has a path that begins with {block:?}"
            ))),
            _ => Ok(()),
        }
    }

    /// Halves the extents.
    pub(crate) fn downsample(&mut self, block: &str, x: Id, padding: Downsample) -> Built {
        let (path, c) = (format!("{block}.downsamplers.0.conv"), self.channels(x));
        let pad = match padding {
            Downsample::Symmetric => 1,
            Downsample::After => 0,
        };
        let conv = Conv2d { path: path.clone(), inputs: c, outputs: c, kernel: 3, stride: 2, pad, pad_after: 1 };
        self.g.conv2d(&path, x, conv)
    }

    /// Doubles the extents.
    pub(crate) fn upsample(&mut self, block: &str, x: Id) -> Built {
        let x = self.g.upsample(&format!("{block}.upsamplers.0.nearest"), x)?;
        self.conv(&format!("{block}.upsamplers.0.conv"), x, self.channels(x), 3)
    }
}
