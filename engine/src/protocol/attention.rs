//! Attention on shares: `softmax(q k^T scale) v` per head, divided after the product with v. Source: protocol.md section 7.

use super::inverse::{inverse, inverse_cost, result_ring};
use super::local::{Groups, Map};
use super::matmul::{MatmulShape, matmul, matmul_cost};
use super::maximum::{maximum, maximum_cost};
use super::multiply::multiply_cost;
use super::open::{lift_cost, open_cost};
use super::softmax::{WEIGHT_FRACTION, WEIGHT_RING, exponential, exponential_cost, shifted};
use super::{
    Cost, Ctx, Error, Octaves, Share, SoftmaxSpec, Window, Wire, add_public, lift, multiply, open, open_all, reduce,
    truncate,
};
use crate::kernels::Strided;

/// Extents of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Images.
    pub n: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of an image.
    pub queries: usize,
    /// Keys of an image.
    pub keys: usize,
    /// Width of a head.
    pub width: usize,
    /// Whether query `i` sees keys 0 to `i` only; then there are as many queries as keys.
    pub causal: bool,
}

/// Ring of the logits' wires.
const LOGIT_RING: u32 = 24;
/// Taken from the logits of keys that a query does not see: beyond every exponential's cut-off for logits below half of it.
const UNSEEN: f64 = 1024.0;
/// Fraction bits of the reciprocal row sums.
const RECIPROCAL: u32 = 20;

impl AttentionShape {
    fn rows(&self) -> usize {
        self.n * self.queries * self.heads
    }

    fn scores(&self) -> usize {
        self.rows() * self.keys
    }

    fn outputs(&self) -> usize {
        self.rows() * self.width
    }

    /// What is added to the scores of an image: nothing, or where a key comes after the query, a large negative number.
    fn mask(&self, f: u32) -> Vec<i64> {
        let low = -(UNSEEN * f64::from(f).exp2()) as i64;
        let query = |i: usize| i / (self.heads * self.keys);
        (0..self.queries * self.heads * self.keys).map(|i| if i % self.keys > query(i) { low } else { 0 }).collect()
    }

    /// Scores as `[n, queries, heads, keys]`, so that a row's neighbours are those of the output.
    fn score_layout(&self) -> Strided {
        Strided {
            batches: self.n * self.heads,
            inner: self.heads,
            outer_stride: self.queries * self.heads * self.keys,
            inner_stride: self.keys,
            row_stride: self.heads * self.keys,
            col_stride: 1,
            offset: 0,
        }
    }

    fn heads_layout(&self, tokens: usize) -> Strided {
        Strided::heads(self.n, self.heads, tokens, self.heads * self.width)
    }

    fn logits(&self) -> MatmulShape {
        let (a, b) = (self.heads_layout(self.queries), self.heads_layout(self.keys).transposed());
        MatmulShape { a, b, out: self.score_layout(), m: self.queries, k: self.width, n: self.keys }
    }

    fn values(&self) -> MatmulShape {
        let (b, out) = (self.heads_layout(self.keys), self.heads_layout(self.queries));
        MatmulShape { a: self.score_layout(), b, out, m: self.queries, k: self.keys, n: self.width }
    }

    /// Row sums of weights: at least the maximum's own weight, at most one for each key.
    fn sums(&self) -> Octaves {
        let hi = WEIGHT_FRACTION + 1 + (self.keys as f64 * 1.2).log2().ceil() as u32;
        Octaves { lo: WEIGHT_FRACTION - 1, hi }
    }
}

/// 17 bits of the logits, five of them below the unit.
fn window(f: u32) -> Window {
    let lo = f.saturating_sub(5);
    Window { lo, hi: lo + 17 }
}

fn reciprocal_ring(shape: &AttentionShape) -> Result<u32, Error> {
    let ring = result_ring(-1.0, f64::from(WEIGHT_FRACTION).exp2(), shape.sums(), RECIPROCAL)?;
    Ok((ring / 4 * 4).min(28))
}

/// Attention with secure row maxima.
///
/// * Before: wires of q `[n, queries, heads * width]`, k and v `[n, keys, heads * width]` in one ring, `f` fraction bits
///   each; logits stay below `2^21` units of [`SoftmaxSpec::logit_fraction`]. After: additive share of the output with `f`
///   fraction bits in a ring of `k - 20` bits.
/// * Error: that of the exponential; rounding of weights (2^-12) and of the output (a unit of `f` twice).
/// * Cost: [`attention_cost`].
pub fn attention(
    ctx: &mut Ctx,
    q: &Wire,
    k: &Wire,
    v: &Wire,
    shape: &AttentionShape,
    spec: &SoftmaxSpec,
) -> Result<Share, Error> {
    let (ring, f) = (v.k, v.f);
    let logits = matmul(ctx, q, k, &shape.logits())?;
    let logits = if shape.causal { masked(ctx, &logits, shape)? } else { logits };
    let fraction = spec.logit_fraction();
    let window = window(fraction);
    let x = open(ctx, &logits, logits.f - fraction, LOGIT_RING)?;
    let top = maximum(ctx, &x, shape.rows(), shape.keys, window)?;
    let x = shifted(ctx, &x, &top, shape.keys)?;
    let p = exponential(ctx, &x, spec, window)?;
    let p = open(ctx, &p, p.f - WEIGHT_FRACTION, WEIGHT_RING)?;
    let p = lift(ctx, &p, ring)?;
    let sums = reduce(ctx, &p, &Groups::rows(shape.rows(), shape.keys))?;
    let mut wires = open_all(ctx, &[(&p, 0, ring), (&sums, 0, ring)])?;
    let sums = wires.remove(1);
    // 1 / sum for sums with WEIGHT_FRACTION bits.
    let gain = f64::from(WEIGHT_FRACTION).exp2();
    let reciprocal = inverse(ctx, &sums, -1.0, gain, shape.sums(), RECIPROCAL)?;
    let weighted = matmul(ctx, &wires[0], v, &shape.values())?;
    let narrow = (ring - WEIGHT_FRACTION) / 4 * 4;
    let pair = [(&weighted, WEIGHT_FRACTION, narrow), (&reciprocal, 0, reciprocal_ring(shape)?)];
    let both = open_all(ctx, &pair)?;
    let weighted = lift(ctx, &both[0], ring)?;
    let reciprocal = lift(ctx, &both[1], ring)?;
    let both = open_all(ctx, &[(&weighted, 0, ring), (&reciprocal, 0, ring)])?;
    let out = multiply(ctx, &both[0], &both[1], Map::per_row(shape.width))?;
    truncate(ctx, &out, out.f - f)
}

/// The first party takes [`UNSEEN`] from the logits of keys after the query: public, local, in the logits' own units.
fn masked(ctx: &mut Ctx, logits: &Share, shape: &AttentionShape) -> Result<Share, Error> {
    let first = ctx.is_party() && ctx.first() == 1;
    let mask = first.then(|| ctx.rec.upload_slice(&shape.mask(logits.f))).transpose()?;
    add_public(ctx, logits, mask.as_ref(), Map::per_column(shape.queries * shape.heads * shape.keys))
}

/// Cost of [`attention`].
pub fn attention_cost(ring: u32, shape: &AttentionShape, spec: &SoftmaxSpec) -> Result<Cost, Error> {
    let (rows, scores, outputs) = (shape.rows(), shape.scores(), shape.outputs());
    let window = window(spec.logit_fraction());
    let narrow = (ring - WEIGHT_FRACTION) / 4 * 4;
    let short = reciprocal_ring(shape)?;
    let gain = f64::from(WEIGHT_FRACTION).exp2();
    Ok(matmul_cost(&shape.logits(), ring)
        + open_cost(&[(scores, LOGIT_RING)])
        + maximum_cost(rows, shape.keys, LOGIT_RING, window)?
        + exponential_cost(scores, LOGIT_RING, spec, window)?
        + open_cost(&[(scores, WEIGHT_RING)])
        + lift_cost(scores, WEIGHT_RING, ring)
        + open_cost(&[(scores, ring), (rows, ring)])
        + inverse_cost(rows, ring, -1.0, gain, shape.sums(), RECIPROCAL)?
        + matmul_cost(&shape.values(), ring)
        + open_cost(&[(outputs, narrow), (rows, short)])
        + lift_cost(outputs, narrow, ring)
        + lift_cost(rows, short, ring)
        + open_cost(&[(outputs, ring), (rows, ring)])
        + multiply_cost(outputs, ring))
}
