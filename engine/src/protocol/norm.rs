//! Group and layer normalisation. Source: protocol.md section 7, paper Appendix A.

use super::held::ServerWeights;
use super::inverse::{inverse, inverse_cost};
use super::linear::{Layer, linear, linear_cost};
use super::local::{Map, combine_wires};
use super::multiply::multiply_cost;
use super::open::{lift_cost, open_cost};
use super::{
    Cost, Ctx, Error, Groups, Octaves, Share, Wire, add, lift, multiply, open, open_all, packed_bytes, reduce,
    square_sums, truncate,
};
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
/// Ring of a group's sum once it is almost a mean: that stays below 2^21, and has up to four more fraction bits.
const MEAN: u32 = 28;
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

    /// How a group's mean comes from its sum.
    fn mean(&self) -> Mean {
        let (len, spare) = (self.group_len(), (64 - self.k).min(12));
        let (log, exact) = (len.ilog2(), len.is_power_of_two());
        let extra = (spare / 3).min(log);
        let part = |cut: u32, ring: u32, factor| Part { cut, ring: ring.min((self.k - cut) / 4 * 4), factor };
        if exact {
            return Mean { parts: vec![part(log - extra, MEAN, 1)], fraction: extra };
        }
        // 1 / len in two parts, each of as many bits as the ring has left.
        let bits = spare - extra;
        let one = f64::from(bits).exp2();
        let factor = one * f64::from(log).exp2() / len as f64;
        let rest = ((factor - factor.round()) * one).round();
        let fine = part(log - extra + bits, (MEAN - bits).next_multiple_of(4), rest as i64);
        Mean { parts: vec![part(log - extra, MEAN, factor.round() as i64), fine], fraction: extra + bits }
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

/// The mean of a group from its sum S: `sum over parts of factor (S >> cut)`, with some fraction bits more than S.
struct Mean {
    parts: Vec<Part>,
    fraction: u32,
}

/// Sums without their lowest bits, the ring in which they are opened, and their factor.
struct Part {
    cut: u32,
    ring: u32,
    factor: i64,
}

impl Mean {
    /// What is opened of the sums.
    fn openings<'a>(&self, sums: &'a Share) -> Vec<(&'a Share, u32, u32)> {
        self.parts.iter().map(|p| (sums, p.cut, p.ring)).collect()
    }

    /// The means' wire in Z_2^k of the opened sums.
    fn of(&self, ctx: &mut Ctx, opened: &[Wire], (k, f): (u32, u32)) -> Result<Wire, Error> {
        let mut lifted = Vec::with_capacity(opened.len());
        for wire in opened {
            lifted.push(lift(ctx, wire, k + self.fraction)?);
        }
        let factor = |i: usize| self.parts[i].factor as u64;
        let mean = match &lifted[..] {
            [one] => one.clone(),
            [one, rest] => add(ctx, one, factor(0), rest, factor(1), Map::SAME)?,
            _ => unreachable!("one part or two"),
        };
        open(ctx, &Share { f: f + self.fraction, ..mean }, self.fraction, k)
    }

    /// Cost for so many groups, but for the first opening's round.
    fn cost(&self, groups: usize, k: u32) -> Cost {
        let part = |c, p: &Part| c + open_cost(&[(groups, p.ring)]) + lift_cost(groups, p.ring, k + self.fraction);
        let first = Cost { half_rounds: 2 * self.parts.len() as u64, ..Cost::default() };
        self.parts.iter().fold(open_cost(&[(groups, k)]), part) - first
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
/// * Error: of the factor, relative 3e-4 plus a unit and a half of its fraction bits; of the mean, a unit of `f` bits, and
///   2^-16 of itself where the ring is one of 52 bits or less and groups have no power of two of elements.
/// * Cost: [`normalise_cost`]; 8.5 rounds, half a round more for each of what [`inverse`] may need.
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
    let (mean, sums) = (s.mean(), reduce(ctx, &x, &groups)?);
    let (wire, sums) = match wire {
        Some(w) => (w.clone(), open_all(ctx, &mean.openings(&sums))?),
        None => {
            let mut what = vec![(&x, 0, s.k)];
            what.extend(mean.openings(&sums));
            let mut all = open_all(ctx, &what)?;
            (all.remove(0), all)
        }
    };
    // Mean, rounded to the wire's units, and the centred wire.
    let mean = mean.of(ctx, &sums, (s.k, s.f))?;
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

/// Cost of [`normalise`] when x is not open yet.
pub fn normalise_cost(shape: &NormShape) -> Result<Cost, Error> {
    let s = shape;
    let (n, groups) = (s.n * s.positions * s.channels, s.n * s.groups);
    let layer = s.affine_layer();
    let (gain, octaves, f) = (s.gain(), s.octaves(), factor_fraction(s.variance));
    let narrow = super::inverse::result_ring(-0.5, gain, octaves, f)?;
    Ok(open_cost(&[(n, s.k)])
        + s.mean().cost(groups, s.k)
        + Cost { offline: packed_bytes(groups, s.k), ..Cost::default() }
        + open_cost(&[(groups, s.k)])
        + inverse_cost(groups, s.k, -0.5, gain, octaves, f)?
        + open_cost(&[(groups, narrow)])
        + lift_cost(groups, narrow, 64)
        + linear_cost(&layer, 64)
        + open_cost(&[(layer.output_len(), s.k)])
        + multiply_cost(n, s.k))
}

/// Truncates a normalised share to `f` fraction bits.
pub fn settle(ctx: &mut Ctx, y: &Share, f: u32) -> Result<Share, Error> {
    truncate(ctx, y, y.f - f)
}
