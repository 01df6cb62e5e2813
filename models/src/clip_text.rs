//! The network of transformers' `CLIPTextModel` as a graph: token and position embeddings, layers that normalise first and in
//! which a token sees those before it only, a last normalisation. Nodes carry the paths of the checkpoint's modules.

use masque_engine::approx::Approx;
use masque_engine::exec::PlanConfig;
use masque_engine::graph::ops::Function;
use masque_engine::graph::{Graph, GraphBuilder, GraphError, Id};

use crate::ModelError;
use crate::blocks::Built;
use crate::config::ClipTextConfig;
use crate::unet2d::check_batch;

/// Name of the input `[n, tokens]`: token ids. In plaintext they are whole numbers, on shares one-hot rows.
pub const TOKENS: &str = "tokens";

/// Prefix of all modules in checkpoints of Stable Diffusion.
pub const PREFIX: &str = "text_model.";

/// Settings of the fixed-point plan that suit the network: its tokens are small numbers, with a deviation of 0.01 to 0.05, before
/// the first normalisation.
pub fn plan(approx: Approx) -> PlanConfig {
    PlanConfig { activation: 14, variance: (-15, 9), approx, ..PlanConfig::default() }
}

/// Builds the network for `n` prompts of that many tokens each. Its output is `[n, tokens, hidden_size]`.
pub fn graph(config: &ClipTextConfig, n: usize, tokens: usize) -> Result<Graph, ModelError> {
    check_batch(n)?;
    let most = config.max_position_embeddings;
    if tokens == 0 || tokens > most {
        return Err(ModelError::Request(format!("prompts of {tokens} tokens, possible are 1..={most}")));
    }
    Ok(build(config, n, tokens)?)
}

fn build(config: &ClipTextConfig, n: usize, tokens: usize) -> Result<Graph, GraphError> {
    let at = |name: &str| format!("{PREFIX}{name}");
    let mut g = GraphBuilder::new("clip_text");
    let ids = g.indices(TOKENS, &[n, tokens], config.vocab_size)?;
    let x = g.token_embedding(&at("embeddings.token_embedding"), ids, config.vocab_size, config.hidden_size)?;
    let mut x = g.position_embedding(&at("embeddings.position_embedding"), x, config.max_position_embeddings)?;
    let layer = Layer {
        width: config.hidden_size,
        inner: config.intermediate_size,
        heads: config.num_attention_heads,
        act: config.hidden_act,
        eps: config.layer_norm_eps,
        causal: true,
    };
    for i in 0..config.num_hidden_layers {
        x = layer.build(&mut g, &at(&format!("encoder.layers.{i}")), x)?;
    }
    let x = g.layer_norm(&at("final_layer_norm"), x, config.layer_norm_eps)?;
    Ok(g.finish(x))
}

/// A layer of CLIP's encoders: attention and a feed-forward network, each behind a normalisation and beside a shortcut.
pub(crate) struct Layer {
    /// Width of a token.
    pub(crate) width: usize,
    /// Width inside of the feed-forward network.
    pub(crate) inner: usize,
    /// Heads.
    pub(crate) heads: usize,
    /// Non-linearity of the feed-forward network.
    pub(crate) act: Function,
    /// Added to variances.
    pub(crate) eps: f32,
    /// Whether a token sees itself and those before it only.
    pub(crate) causal: bool,
}

impl Layer {
    pub(crate) fn build(&self, g: &mut GraphBuilder, path: &str, x: Id) -> Built {
        let Self { width, inner, heads, act, eps, causal } = *self;
        let at = |name: &str| format!("{path}.{name}");
        let h = g.layer_norm(&at("layer_norm1"), x, eps)?;
        let q = g.linear(&at("self_attn.q_proj"), h, width, true)?;
        let k = g.linear(&at("self_attn.k_proj"), h, width, true)?;
        let v = g.linear(&at("self_attn.v_proj"), h, width, true)?;
        let core = at("self_attn.core");
        let h = if causal { g.causal_attention(&core, q, k, v, heads)? } else { g.attention(&core, q, k, v, heads)? };
        let h = g.linear(&at("self_attn.out_proj"), h, width, true)?;
        let x = g.add(&at("attended"), x, h)?;
        let h = g.layer_norm(&at("layer_norm2"), x, eps)?;
        let h = g.linear(&at("mlp.fc1"), h, inner, true)?;
        let h = g.activation(&at("mlp.activation_fn"), h, act)?;
        let h = g.linear(&at("mlp.fc2"), h, width, true)?;
        g.add(path, x, h)
    }
}
