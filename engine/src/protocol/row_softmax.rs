//! Softmax over the rows of a matrix, by itself: attention divides later and cheaper. Source: protocol.md section 7.

use super::inverse::{inverse, inverse_cost, result_ring};
use super::local::{Map, affine, combine_wires};
use super::maximum::{COARSE, Maxima, maximum, maximum_cost};
use super::multiply::multiply_cost;
use super::open::{lift_cost, open_cost};
use super::reduce::reduce_wire;
use super::softmax::{RESULT_FRACTION, WEIGHT_FRACTION, weights, weights_cost};
use super::{Cost, Ctx, Error, Groups, Octaves, Role, Share, SoftmaxSpec, Wire, lift, multiply, open};
use super::{packed_bytes, truncate};
use crate::approx::Approx;

/// How a row's maximum is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowMaximum {
    /// By comparisons on shares; nothing is learnt.
    Secure,
    /// By the client in the clear. See [`RowMaximum::leaks`].
    Revealed,
}

impl RowMaximum {
    /// What becomes known beyond the result's shares, as a sentence for reports.
    pub fn leaks(self) -> Option<&'static str> {
        match self {
            RowMaximum::Secure => None,
            RowMaximum::Revealed => {
                Some("row maxima were revealed: the client saw every logit, the server the maximum of every row")
            }
        }
    }
}

/// Extents and settings of a softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSoftmax {
    /// Rows.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Scale and exponential.
    pub spec: SoftmaxSpec,
    /// How the maximum is found.
    pub maximum: RowMaximum,
}

/// Ring of the logits' wires.
pub(super) const LOGIT_RING: u32 = 24;
/// Significant bits of the smallest reciprocal.
const RECIPROCAL: u32 = 14;

impl RowSoftmax {
    /// Fraction bits of the exponentials.
    fn fraction(&self) -> u32 {
        if self.spec.approx == Approx::Precise { RESULT_FRACTION } else { WEIGHT_FRACTION }
    }

    /// Row sums: at least half of the maximum's own weight.
    fn sums(&self) -> Octaves {
        let f = self.fraction();
        Octaves { lo: f - 1, hi: f + self.spec.sum_bits(self.cols).ceil() as u32 }
    }

    /// `gain / sum` is the reciprocal of a sum of integers.
    fn gain(&self) -> f64 {
        f64::from(self.fraction()).exp2()
    }

    /// Fraction bits of the reciprocals.
    fn reciprocal(&self) -> u32 {
        RECIPROCAL + self.cols.next_power_of_two().trailing_zeros()
    }

    /// Ring of the last product.
    fn ring(&self) -> u32 {
        (self.fraction() + self.reciprocal() + 3).max(self.sums().hi + 2).next_multiple_of(4)
    }

    /// Ring of the reciprocals as they are computed.
    fn narrow(&self) -> Result<u32, Error> {
        let ring = result_ring(-1.0, self.gain(), self.sums(), self.reciprocal())?;
        Ok((ring / 4 * 4).min(self.reciprocal().next_multiple_of(4) + 8).min(self.ring() - 4))
    }
}

/// `softmax(scale x)` over each row of a `[rows, cols]` share.
///
/// * Before: additive share with at least [`SoftmaxSpec::logit_fraction`] bits, logits, once scaled, below 2^9
///   and within 2^8 of their row's maximum. After: additive share with `f` fraction bits, at most 24.
/// * Error: that of the exponential; relative 3e-4 of the reciprocal; rounding of the result.
/// * Leaks: [`RowMaximum::leaks`]. Cost: [`row_softmax_cost`].
pub fn row_softmax(ctx: &mut Ctx, x: &Share, s: &RowSoftmax, f: u32) -> Result<Share, Error> {
    let x = shifted(ctx, x, x.f - s.spec.logit_fraction(), (s.rows, s.cols), (&s.spec, s.maximum))?;
    let ring = s.ring();
    let p = weights(ctx, &x, &s.spec, s.fraction(), ring)?;
    let sums = reduce_wire(ctx, &p, &Groups::rows(s.rows, s.cols))?;
    let reciprocal = inverse(ctx, &sums, -1.0, s.gain(), s.sums(), s.reciprocal())?;
    let reciprocal = open(ctx, &reciprocal, 0, s.narrow()?)?;
    let reciprocal = lift(ctx, &reciprocal, ring)?;
    let reciprocal = open(ctx, &reciprocal, 0, ring)?;
    let y = multiply(ctx, &p, &reciprocal, Map::per_row(s.cols))?;
    truncate(ctx, &y, y.f - f)
}

/// Opens a `[rows, cols]` share of logits, `cut` fraction bits less, and takes each row's maximum from it: a wire in a ring
/// of [`LOGIT_RING`] bits.
pub(super) fn shifted(
    ctx: &mut Ctx,
    logits: &Share,
    cut: u32,
    (rows, cols): (usize, usize),
    (spec, how): (&SoftmaxSpec, RowMaximum),
) -> Result<Wire, Error> {
    let shift = spec.window().lo - 1;
    let Maxima { x, top, shift, above } = match how {
        RowMaximum::Secure => maximum(ctx, logits, cut, (rows, cols), shift)?,
        RowMaximum::Revealed => {
            let x = open(ctx, logits, cut, LOGIT_RING)?;
            let top = reveal(ctx, &x, (rows, cols), shift)?;
            Maxima { x, top, shift, above: 0 }
        }
    };
    combine_wires(ctx, &x, Some((&top, -(1 << shift), Map::per_row(cols))), above)
}

/// Cost of [`shifted`].
pub(super) fn shifted_cost(rows: usize, cols: usize, how: RowMaximum) -> Cost {
    match how {
        RowMaximum::Secure => maximum_cost(rows, cols),
        RowMaximum::Revealed => open_cost(&[(rows * cols, LOGIT_RING)]) + reveal_cost(rows, cols),
    }
}

/// Row maxima in the clear, as a wire without a mask, in units of `2^shift`, less than one of them off: the server opens the
/// logits' upper bits to the client, 16 of them at most, which answers with the maxima.
fn reveal(ctx: &mut Ctx, x: &Wire, (rows, cols): (usize, usize), shift: u32) -> Result<Wire, Error> {
    let lam = ctx.rec.upload_slice(&vec![0u64; rows])?;
    let (up, down) = (packed_bytes(rows, COARSE), packed_bytes(x.n, COARSE));
    let delta = match ctx.role {
        Role::Dealer => None,
        Role::Server => {
            let msg = ctx.pack_without(&x.lam, x.n, COARSE, shift)?;
            ctx.server_to_client(Some(&msg), down)?;
            let msg = ctx.client_to_server(None, up)?.expect("the server receives");
            let top = ctx.unpack(&msg, rows, COARSE)?;
            let words: Vec<u64> = ctx.rec.read_slice(&top, rows)?;
            let top: Vec<i64> = words.into_iter().map(|w| sign(w, COARSE)).collect();
            Some(ctx.rec.upload_slice(&top)?)
        }
        Role::Client => {
            let msg = ctx.server_to_client(None, down)?.expect("the client receives");
            let theirs = ctx.unpack(&msg, x.n, COARSE)?;
            let half = ctx.rec.words(x.n)?;
            affine(&mut ctx.rec, x.n, (x.opened(), 1), Some((&x.lam, u64::MAX, Map::SAME)), 0, &half)?;
            let (half, theirs): (Vec<u64>, Vec<u64>) =
                (ctx.rec.read_slice(&half, x.n)?, ctx.rec.read_slice(&theirs, x.n)?);
            // What both know of a value: the lower ones of these bits.
            let bits = COARSE.min(x.k - shift);
            let value = |(h, t): (&u64, &u64)| sign((h >> shift).wrapping_sub(*t), bits);
            let values: Vec<i64> = half.iter().zip(&theirs).map(value).collect();
            let top: Vec<i64> = values.chunks(cols).map(|r| *r.iter().max().expect("a row")).collect();
            let top = ctx.rec.upload_slice(&top)?;
            let msg = ctx.pack(&top, rows, COARSE)?;
            ctx.client_to_server(Some(&msg), up)?;
            Some(top)
        }
    };
    Ok(Wire { n: rows, k: x.k, f: x.f, delta, lam, fresh: false })
}

/// The number that the lowest bits of a word stand for.
fn sign(word: u64, bits: u32) -> i64 {
    ((word << (64 - bits)) as i64) >> (64 - bits)
}

/// Cost of revealing the maxima of `[rows, cols]`.
fn reveal_cost(rows: usize, cols: usize) -> Cost {
    let (to_client, to_server) = (packed_bytes(rows * cols, COARSE), packed_bytes(rows, COARSE));
    Cost { to_client, to_server, offline: 0, half_rounds: 2 }
}

/// Cost of [`row_softmax`]. Online, each way and an element, with 4096 columns and the loose exponential: 3 bytes for the
/// logit, 3.1 for the maximum, 1.1 for the cut-off, 4 within the exponential, 2 for its result, 5.5 for the product; offline 46
/// bytes.
pub fn row_softmax_cost(s: &RowSoftmax) -> Result<Cost, Error> {
    let (n, ring, narrow) = (s.rows * s.cols, s.ring(), s.narrow()?);
    Ok(shifted_cost(s.rows, s.cols, s.maximum)
        + weights_cost(n, LOGIT_RING, &s.spec, s.fraction(), ring)?
        + inverse_cost(s.rows, ring, -1.0, s.gain(), s.sums(), s.reciprocal())?
        + open_cost(&[(s.rows, narrow)])
        + lift_cost(s.rows, narrow, ring)
        + open_cost(&[(s.rows, ring)])
        + multiply_cost(n, ring))
}
