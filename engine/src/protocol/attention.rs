//! Attention on shares: `softmax(q k^T scale) v` per head, divided after the product with v, a tile of rows at a time.
//! Source: protocol.md section 7.

use super::inverse::{inverse, inverse_cost, result_ring};
use super::local::Map;
use super::matmul::{MatmulShape, Right, matmul_cost, matmul_right, right};
use super::multiply::multiply_cost;
use super::open::{lift_cost, open_cost};
use super::reduce::reduce_wire;
use super::row_softmax::{LOGIT_RING, shifted, shifted_cost};
use super::softmax::{WEIGHT_FRACTION, weights, weights_cost};
use super::{
    Cost, Ctx, Error, Groups, Octaves, RowMaximum, Share, SoftmaxSpec, Wire, add_public, lift, multiply, open_all,
    truncate,
};
use crate::gpu::Buf;
use crate::kernels::{Columns, Element, Strided, columns};

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
    /// Most scores that exist at a time (at least one row does). All roles need the same: masks are drawn by tile.
    pub tile: usize,
}

/// Scores of a tile where nothing else is asked for: 8 MiB of ring words, within every adapter's limits.
pub const ATTENTION_TILE: usize = 1 << 20;

/// Taken from the scaled logits of keys that a query does not see: beyond every exponential's cut-off, and within what a
/// comparison can tell, for logits within 2^7 - 2^4 of their row's maximum.
const UNSEEN: f64 = 128.0;
/// Fraction bits of the reciprocal row sums.
const RECIPROCAL: u32 = 20;
/// Binary logarithm of what v, and so the result, stays below.
pub(crate) const VALUES: u32 = 6;

/// Matrices (heads of images) whose keys are packed together: some images with all heads, or some heads of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    image: usize,
    images: usize,
    head: usize,
    heads: usize,
    /// Query rows of a tile.
    step: usize,
}

/// Query rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    group: Group,
    first: usize,
    rows: usize,
}

impl AttentionShape {
    fn outputs(&self) -> usize {
        self.n * self.queries * self.heads * self.width
    }

    fn groups(&self) -> Vec<Group> {
        let one = (self.queries * self.keys).max(1);
        let image = one * self.heads;
        if image <= self.tile {
            let step = (self.tile / image).max(1);
            let some = |image| Group {
                image,
                images: step.min(self.n - image),
                head: 0,
                heads: self.heads,
                step: self.queries.max(1),
            };
            return (0..self.n).step_by(step).map(some).collect();
        }
        // Whole groups of eight rows, which products compute at once.
        let rows = (self.tile / self.keys.max(1)).max(1);
        let rows = if rows > 8 { rows / 8 * 8 } else { rows }.min(self.queries);
        let heads = (self.tile / one).max(1);
        let starts = (0..self.n).flat_map(|image| (0..self.heads).step_by(heads).map(move |head| (image, head)));
        let some = |(image, head)| Group { image, images: 1, head, heads: heads.min(self.heads - head), step: rows };
        starts.map(some).collect()
    }

    fn tiles(&self, group: Group) -> impl Iterator<Item = Tile> + use<> {
        let queries = self.queries;
        (0..queries).step_by(group.step).map(move |first| Tile { group, first, rows: group.step.min(queries - first) })
    }

    /// Where the group's heads lie in `[n, tokens, heads * width]`.
    fn heads_layout(&self, group: Group, tokens: usize, first: usize) -> Strided {
        let width = self.heads * self.width;
        Strided {
            batches: group.images * group.heads,
            inner: group.heads,
            offset: (group.image * tokens + first) * width + group.head * self.width,
            ..Strided::heads(self.n, self.heads, tokens, width)
        }
    }

    /// Row sums of weights: at least half of the maximum's own weight.
    fn sums(&self, spec: &SoftmaxSpec) -> Octaves {
        Octaves { lo: WEIGHT_FRACTION - 1, hi: WEIGHT_FRACTION + spec.sum_bits(self.keys).ceil() as u32 }
    }

    /// Ring of the products with v, for wires with `f` fraction bits in a ring of `most` at least: it holds sums of weights
    /// times [`VALUES`], and what is left of it after the division the result.
    fn ring(&self, most: u32, f: u32, spec: &SoftmaxSpec) -> u32 {
        let products = f64::from(WEIGHT_FRACTION) + spec.sum_bits(self.keys);
        let bits = products.max(RECIPROCAL.into()) + f64::from(f + VALUES + 2);
        (bits.ceil() as u32).next_multiple_of(4).min(most)
    }

    /// Ring of the result of [`attention`], for wires of `k` bits, `f` of them fraction.
    pub fn result_ring(&self, k: u32, f: u32, spec: &SoftmaxSpec) -> u32 {
        self.ring(k, f, spec) - RECIPROCAL
    }
}

impl Tile {
    fn matrices(&self) -> usize {
        self.group.images * self.group.heads
    }

    /// Rows of scores.
    fn score_rows(&self) -> usize {
        self.matrices() * self.rows
    }

    /// `[images, heads, rows, columns]`.
    fn layout(&self, columns: usize) -> Strided {
        Strided::batched(self.matrices(), self.rows * columns, columns)
    }

    fn logits(&self, s: &AttentionShape) -> MatmulShape {
        let a = s.heads_layout(self.group, s.queries, self.first);
        let b = s.heads_layout(self.group, s.keys, 0).transposed();
        MatmulShape { a, b, out: self.layout(s.keys), m: self.rows, k: s.width, n: s.keys }
    }

    fn values(&self, s: &AttentionShape) -> MatmulShape {
        let b = s.heads_layout(self.group, s.keys, 0);
        MatmulShape { a: self.layout(s.keys), b, out: self.layout(s.width), m: self.rows, k: s.keys, n: s.width }
    }

    /// What is added to the scores of a head: nothing, or where a key comes after the query, a
    /// large negative number; `unit` is what a scaled logit of 1 is.
    fn mask(&self, s: &AttentionShape, unit: f64) -> Vec<i64> {
        let low = -(UNSEEN * unit).round() as i64;
        let seen = |i: usize| i % s.keys <= self.first + i / s.keys;
        (0..self.rows * s.keys).map(|i| if seen(i) { 0 } else { low }).collect()
    }
}

fn reciprocal_ring(shape: &AttentionShape, spec: &SoftmaxSpec) -> Result<u32, Error> {
    let ring = result_ring(-1.0, f64::from(WEIGHT_FRACTION).exp2(), shape.sums(spec), RECIPROCAL)?;
    Ok((ring / 4 * 4).min(28))
}

/// Ring of the scores: what their wire needs, and the bits that are cut on the way.
fn score_ring(ring: u32, f: u32, spec: &SoftmaxSpec) -> u32 {
    (LOGIT_RING + 2 * f - spec.logit_fraction()).next_multiple_of(4).min(ring)
}

fn reduced(w: &Wire, k: u32) -> Wire {
    Wire { k, fresh: false, ..w.clone() }
}

/// Attention.
///
/// * Before: wires of q `[n, queries, heads * width]`, k and v `[n, keys, heads * width]` in one ring, `f` fraction bits
///   each; logits, once scaled, stay below 2^9 and within 2^8 of their row's maximum,
///   v below 2^6. After: additive share of the output with `f` fraction bits in a ring of
///   [`AttentionShape::result_ring`].
/// * Memory: scores, keys and values of the heads at work, for every tile in flight ([`Ctx::set_lanes`]); never
///   `queries * keys` of all heads.
/// * Error: that of the exponential; rounding of weights (2^-12) and of the output (a unit of `f` twice).
/// * Leaks: [`RowMaximum::leaks`]. Cost: [`attention_cost`].
pub fn attention(
    ctx: &mut Ctx,
    q: &Wire,
    k: &Wire,
    v: &Wire,
    shape: &AttentionShape,
    (spec, top): (&SoftmaxSpec, RowMaximum),
) -> Result<Share, Error> {
    let tiles: Vec<Tile> = shape.groups().into_iter().flat_map(|g| shape.tiles(g)).collect();
    if tiles.len() > usize::from(u16::MAX) {
        let (tiles, scores) = (tiles.len(), shape.tile);
        return Err(Error::Range(format!("attention in {tiles} tiles of {scores} scores; take larger ones")));
    }
    let (ring, f) = (shape.ring(v.k, v.f, spec), v.f);
    let scores = score_ring(v.k, f, spec);
    let q = reduced(q, scores);
    let (k, v) = (right(ctx, &reduced(k, scores))?, right(ctx, &reduced(v, ring))?);
    let out = ctx.is_party().then(|| ctx.rec.words(shape.outputs())).transpose()?;
    // A lane packs the keys and values of a group when it comes to it.
    let none = || None::<(Group, Right, Right)>;
    ctx.tiles(tiles.len(), none, |ctx, packed, i| {
        let tile = &tiles[i];
        if packed.as_ref().is_none_or(|(group, ..)| *group != tile.group) {
            *packed = None;
            *packed = Some((tile.group, k.pack(ctx, &tile.logits(shape))?, v.pack(ctx, &tile.values(shape))?));
        }
        let Some((_, keys, values)) = packed else { unreachable!("packed above") };
        let y = rows(ctx, &q, (keys, values), shape, tile, (spec, top))?;
        match (&out, &y.buf) {
            (Some(out), Some(y)) => place(ctx, y, shape, tile, out),
            _ => Ok(()),
        }
    })?;
    Ok(Share { n: shape.outputs(), k: ring - RECIPROCAL, f, buf: out })
}

/// A tile's rows of the result, `[images, heads, rows, width]`.
fn rows(
    ctx: &mut Ctx,
    q: &Wire,
    (keys, values): (&Right, &Right),
    shape: &AttentionShape,
    tile: &Tile,
    (spec, top): (&SoftmaxSpec, RowMaximum),
) -> Result<Share, Error> {
    let (ring, f, rows) = (values.ring(), q.f, tile.score_rows());
    let logits = matmul_right(ctx, q, keys, &tile.logits(shape))?;
    let logits = if shape.causal { masked(ctx, &logits, shape, tile, spec.scale)? } else { logits };
    let (weights, reciprocal) = ctx.aside(|ctx| softmax(ctx, logits, (rows, ring), shape, (spec, top)))?;
    let weighted = matmul_right(ctx, &weights, values, &tile.values(shape))?;
    let narrow = (ring - WEIGHT_FRACTION) / 4 * 4;
    let pair = [(&weighted, WEIGHT_FRACTION, narrow), (&reciprocal, 0, reciprocal_ring(shape, spec)?)];
    let both = open_all(ctx, &pair)?;
    let weighted = lift(ctx, &both[0], ring)?;
    let reciprocal = lift(ctx, &both[1], ring)?;
    let both = open_all(ctx, &[(&weighted, 0, ring), (&reciprocal, 0, ring)])?;
    let out = multiply(ctx, &both[0], &both[1], Map::per_row(shape.width))?;
    truncate(ctx, &out, out.f - f)
}

/// The exponentials of a tile's logits less their rows' maxima, open for products, and the reciprocals of their sums.
fn softmax(
    ctx: &mut Ctx,
    logits: Share,
    (rows, ring): (usize, u32),
    shape: &AttentionShape,
    (spec, top): (&SoftmaxSpec, RowMaximum),
) -> Result<(Wire, Share), Error> {
    let fraction = spec.logit_fraction();
    let x = shifted(ctx, &logits, logits.f - fraction, (rows, shape.keys), (spec, top))?;
    drop(logits);
    let p = weights(ctx, &x, spec, WEIGHT_FRACTION, ring)?;
    drop(x);
    let sums = reduce_wire(ctx, &p, &Groups::rows(rows, shape.keys))?;
    // 1 / sum for sums with WEIGHT_FRACTION bits.
    let gain = f64::from(WEIGHT_FRACTION).exp2();
    let reciprocal = inverse(ctx, &sums, -1.0, gain, shape.sums(spec), RECIPROCAL)?;
    Ok((p, reciprocal))
}

/// Copies a tile's result to where it belongs in `[n, queries, heads * width]`.
fn place(ctx: &mut Ctx, y: &Buf, shape: &AttentionShape, tile: &Tile, out: &Buf) -> Result<(), Error> {
    let (n, stride) = (tile.rows * shape.width, shape.heads * shape.width);
    let to = shape.heads_layout(tile.group, shape.queries, tile.first);
    for z in 0..tile.matrices() {
        let start = to.offset + z / to.inner * to.outer_stride + z % to.inner * to.inner_stride;
        let from = Columns { buf: y, stride: shape.width, start: z * n };
        let to = Columns { buf: out, stride, start };
        columns(&mut ctx.rec, Element::Ring, (tile.rows, shape.width), from, to)?;
    }
    Ok(())
}

/// The first party takes [`UNSEEN`] from the logits of keys after the query: public, local, in the logits' own units.
fn masked(ctx: &mut Ctx, logits: &Share, shape: &AttentionShape, tile: &Tile, scale: f64) -> Result<Share, Error> {
    let first = ctx.is_party() && ctx.first() == 1;
    let mask =
        first.then(|| ctx.rec.upload_slice(&tile.mask(shape, f64::from(logits.f).exp2() / scale))).transpose()?;
    add_public(ctx, logits, mask.as_ref(), Map::per_column(tile.rows * shape.keys))
}

/// Cost of [`attention`] for wires with (ring, fraction) bits.
pub fn attention_cost(
    format: (u32, u32),
    shape: &AttentionShape,
    (spec, top): (&SoftmaxSpec, RowMaximum),
) -> Result<Cost, Error> {
    let mut total = Cost::default();
    for tile in shape.groups().into_iter().flat_map(|g| shape.tiles(g)) {
        total = total + tile_cost(format, shape, &tile, (spec, top))?;
    }
    Ok(total)
}

fn tile_cost(
    (k, f): (u32, u32),
    shape: &AttentionShape,
    tile: &Tile,
    (spec, top): (&SoftmaxSpec, RowMaximum),
) -> Result<Cost, Error> {
    let ring = shape.ring(k, f, spec);
    let rows = tile.score_rows();
    let (scores, outputs) = (rows * shape.keys, rows * shape.width);
    let narrow = (ring - WEIGHT_FRACTION) / 4 * 4;
    let short = reciprocal_ring(shape, spec)?;
    let gain = f64::from(WEIGHT_FRACTION).exp2();
    Ok(matmul_cost(&tile.logits(shape), score_ring(k, f, spec))
        + shifted_cost(rows, shape.keys, top)
        + weights_cost(scores, LOGIT_RING, spec, WEIGHT_FRACTION, ring)?
        + inverse_cost(rows, ring, -1.0, gain, shape.sums(spec), RECIPROCAL)?
        + matmul_cost(&tile.values(shape), ring)
        + open_cost(&[(outputs, narrow), (rows, short)])
        + lift_cost(outputs, narrow, ring)
        + lift_cost(rows, short, ring)
        + open_cost(&[(outputs, ring), (rows, ring)])
        + multiply_cost(outputs, ring))
}
