//! Group and layer normalisation. Source: protocol.md section 7, paper Appendix A.

use super::held::ServerWeights;
use super::inverse::{inverse, inverse_cost};
use super::linear::{Layer, linear, linear_cost};
use super::local::{Map, combine_wires};
use super::multiply::multiply_cost;
use super::open::{lift_cost, open_cost};
use super::{
    Cost, Ctx, Error, Groups, Octaves, Share, Wire, lift, multiply, open, open_all, packed_bytes, reduce, scale,
};
use super::{square_sums, truncate};
use crate::gpu::Buf;

/// Extents and fixed-point format of a normalisation over `[n, positions, channels]` in `groups` groups of channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormShape {
    /// Images (for layer normalisation: rows).
    pub n: usize,
    /// Positions of an image.
    pub positions: usize,
    /// Channels.
    pub channels: usize,
    /// Groups of channels, each with its own mean and variance.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Binary logarithm of the smallest and of the largest variance that is normalised exactly.
    pub variance: (i32, i32),
    /// Fraction bits of the input.
    pub f: u32,
    /// Ring of the wires: holds `len * variance` at `2 f` fraction bits.
    pub k: u32,
}

/// Fewest fraction bits of the factor `gamma / sqrt(var + eps)`, and fewest significant ones at the largest variance.
const FACTOR: (i32, i32) = (14, 12);
/// Significant bits of the mean's factor 1 / len.
const MEAN: u32 = 20;
/// Binary logarithm of the bounds of gamma and of the result.
const GAMMA: i32 = 3;
const RESULT: i32 = 6;

/// Fraction bits of the factor `gamma / sqrt(var + eps)`: 14, and more where large variances make it small.
pub fn factor_fraction(variance: (i32, i32)) -> u32 {
    FACTOR.0.max(FACTOR.1 + (variance.1 + 1) / 2) as u32
}

impl NormShape {
    /// Group normalisation of `n` images in the smallest ring.
    pub fn groups(
        (n, positions, channels): (usize, usize, usize),
        groups: usize,
        eps: f64,
        variance: (i32, i32),
        f: u32,
    ) -> Self {
        let k = Self::ring(positions, channels / groups, variance, f);
        Self { n, positions, channels, groups, eps, variance, f, k }
    }

    /// Layer normalisation of each of `rows` rows: one group, with a mean, a variance and a factor for every channel of its
    /// own.
    pub fn layer(rows: usize, channels: usize, eps: f64, variance: (i32, i32), f: u32) -> Self {
        Self::groups((rows, 1, channels), 1, eps, variance, f)
    }

    /// Elements of a group.
    pub fn group_len(&self) -> usize {
        self.positions * self.channels / self.groups
    }

    /// Smallest ring, a multiple of 4, that holds the sum of squares, the factors (for `|gamma| < 8`) and the result
    /// (below 64).
    pub fn ring(positions: usize, width: usize, variance: (i32, i32), f: u32) -> u32 {
        let (fx, factor) = (f as i32, factor_fraction(variance) as i32);
        let squares = 2 * fx + log2_len(positions * width) as i32 + variance.1;
        // A variance below the range gets up to 2.5 times the factor at its end.
        let factors = factor + GAMMA + 2 + (1 - variance.0).max(0) / 2;
        let bits = squares.max(factors).max(fx + factor + RESULT) + 2;
        (bits as u32).next_multiple_of(4)
    }

    /// Fraction bits of the result (and of beta).
    pub fn result_fraction(&self) -> u32 {
        self.f + factor_fraction(self.variance)
    }

    /// Extra bits of the mean: enough for the factor 1 / len to be exact, or to have [`MEAN`] significant ones.
    fn mean_fraction(&self) -> u32 {
        let exact = self.group_len().is_power_of_two();
        log2_len(self.group_len()) + if exact { 0 } else { MEAN }
    }

    /// Ring in which the sums are multiplied by 1 / len: holds means with these extra bits.
    fn sum_ring(&self) -> u32 {
        (self.k + self.mean_fraction().max(1)).next_multiple_of(4).min(64)
    }

    /// Ring in which the mean is opened.
    fn mean_ring(&self) -> u32 {
        self.k.min((64 - self.mean_fraction()) / 4 * 4)
    }

    /// The layer that multiplies the groups' reciprocal deviations by the channels' weights.
    pub fn affine_layer(&self) -> Layer {
        Layer::Dense { rows: self.n, inputs: self.groups, outputs: self.channels, transposed: true }
    }

    /// That layer's matrix `[groups, channels]` for the channels' weights.
    pub fn affine_matrix(&self, gamma: &[f32], f: u32) -> Vec<i64> {
        let width = self.channels / self.groups;
        let mut m = vec![0i64; self.groups * self.channels];
        for (c, g) in gamma.iter().enumerate() {
            m[(c / width) * self.channels + c] = (f64::from(*g) * f64::from(f).exp2()).round() as i64;
        }
        m
    }

    /// Integer range of `len * (var + eps)` at `2 f` fraction bits.
    fn octaves(&self) -> Octaves {
        let base = 2.0 * f64::from(self.f) + (self.group_len() as f64).log2();
        let lo = (base + f64::from(self.variance.0)).floor().max(1.0) as u32;
        let hi = ((base + f64::from(self.variance.1)).ceil() as u32).min(self.k - 2);
        Octaves { lo, hi }
    }

    /// `1 / sqrt((v / len) 2^(2 f))` for integer `v` is `gain / sqrt v`.
    fn gain(&self) -> f64 {
        ((self.group_len() as f64) * (2.0 * f64::from(self.f)).exp2()).sqrt()
    }
}

fn log2_len(len: usize) -> u32 {
    len.next_power_of_two().trailing_zeros()
}

/// `y = (x - mean) / sqrt(var + eps) * gamma + beta`.
///
/// * Before: additive share of `[n, positions, channels]` in Z_2^k or more with `f` fraction bits, or also its wire in
///   Z_2^k; `gamma` as a dealt server layer in Z_2^64 with at most `64 - k` fraction bits ([`NormShape::affine_layer`]),
///   `beta` at the server with [`NormShape::result_fraction`] bits. After: additive share in Z_2^k with as many fraction
///   bits, and the wire of x.
/// * Range: a variance up to 4 times the declared largest is still safe, with a growing error; beyond, the result is noise.
///   Below the smallest the factor is at most 2.5 times the one there. Means below 2^(20 - f) in size for groups of up to
///   2^20 elements.
/// * Error: of the factor, relative 3e-4 plus a unit and a half of its fraction bits; of the mean, a unit of `f` bits.
/// * Cost: [`normalise_cost`]; a round less where groups have a power of two of elements, because the mean then keeps all
///   bits of the ring.
pub fn normalise(
    ctx: &mut Ctx,
    x: &Share,
    wire: Option<&Wire>,
    shape: &NormShape,
    gamma: &ServerWeights,
    beta: Option<&Buf>,
) -> Result<(Share, Wire), Error> {
    let s = shape;
    if gamma.k != 64 || s.k + gamma.f > 64 {
        let (k, f) = (gamma.k, gamma.f);
        return Err(Error::Range(format!("a normalisation in {} bits with gamma in {k}, {f} of them fraction", s.k)));
    }
    let groups = Groups::channels(s.n, s.positions, s.channels, s.groups);
    let per_group = Map::per_group(s.positions, s.channels, s.groups);
    let x = x.reduced(s.k.max(wire.map_or(0, |w| w.k)));
    let sums = reduce(ctx, &x, &groups)?;
    let (wire, sums) = match wire {
        Some(w) => (w.clone(), open(ctx, &sums, 0, s.k)?),
        None => {
            let mut both = open_all(ctx, &[(&x, 0, s.k), (&sums, 0, s.k)])?;
            let sums = both.remove(1);
            (both.remove(0), sums)
        }
    };
    // Mean, rounded to the wire's units, and the centred wire.
    let sums = lift(ctx, &sums, s.sum_ring())?;
    let bits = s.mean_fraction();
    let mean = scale(ctx, &sums, (f64::from(bits).exp2() / s.group_len() as f64).round() as i64, 0, s.f + bits)?;
    let mean = open(ctx, &mean, bits, s.mean_ring())?;
    let mean = widen_wire(ctx, mean, s.k)?;
    let centred = combine_wires(ctx, &wire, Some((&mean, -1, per_group)), 0)?;
    // Reciprocal deviation of each group.
    let squares = square_sums(ctx, &centred, &groups)?;
    let eps = (s.eps * s.group_len() as f64 * (2.0 * f64::from(s.f)).exp2()).round().max(1.0);
    let squares = open(ctx, &squares, 0, s.k)?;
    let squares = combine_wires(ctx, &squares, None, eps as i64)?;
    let deviation = inverse(ctx, &squares, -0.5, s.gain(), s.octaves(), factor_fraction(s.variance))?;
    // Times gamma, which the server knows, then times x.
    let narrow = open(ctx, &deviation, 0, deviation.k)?;
    let deviation = lift(ctx, &narrow, 64)?;
    let factor = linear(ctx, &deviation, &s.affine_layer(), gamma)?;
    let factor = open(ctx, &factor, gamma.f, s.k)?;
    let per_channel = Map::per_group(s.positions, s.channels, s.channels);
    let y = multiply(ctx, &centred, &factor, per_channel)?;
    let y = super::add_public(ctx, &y, beta, Map::per_column(s.channels))?;
    Ok((y, wire))
}

/// The mean's wire in the ring of the values: opened again only where truncation left too few bits.
fn widen_wire(ctx: &mut Ctx, w: Wire, k: u32) -> Result<Wire, Error> {
    if w.k >= k {
        return Ok(w);
    }
    let lifted = lift(ctx, &w, k)?;
    open(ctx, &lifted, 0, k)
}

/// Cost of [`normalise`] when x is not open yet.
pub fn normalise_cost(shape: &NormShape) -> Result<Cost, Error> {
    let s = shape;
    let (n, groups) = (s.n * s.positions * s.channels, s.n * s.groups);
    let layer = s.affine_layer();
    let mean_ring = s.mean_ring();
    let (gain, octaves, f) = (s.gain(), s.octaves(), factor_fraction(s.variance));
    let narrow = super::inverse::result_ring(-0.5, gain, octaves, f)?;
    let mut c = open_cost(&[(n, s.k), (groups, s.k)])
        + lift_cost(groups, s.k, s.sum_ring())
        + open_cost(&[(groups, mean_ring)]);
    if mean_ring < s.k {
        c = c + lift_cost(groups, mean_ring, s.k) + open_cost(&[(groups, s.k)]);
    }
    c = c
        + Cost { offline: packed_bytes(groups, s.k), ..Cost::default() }
        + open_cost(&[(groups, s.k)])
        + inverse_cost(groups, s.k, -0.5, gain, octaves, f)?
        + open_cost(&[(groups, narrow)])
        + lift_cost(groups, narrow, 64)
        + linear_cost(&layer, 64)
        + open_cost(&[(layer.output_len(), s.k)])
        + multiply_cost(n, s.k);
    Ok(c)
}

/// Truncates a normalised share to `f` fraction bits.
pub fn settle(ctx: &mut Ctx, y: &Share, f: u32) -> Result<Share, Error> {
    truncate(ctx, y, y.f - f)
}
