//! How a role holds a layer's weights between evaluations: ready for products on the device while its budget lasts, else as
//! what they are made of again, in host memory or not at all.

use super::linear::{Layer, recalled, received};
use super::{Ctx, Error, Recall};
use crate::gpu::{Buf, Lease};
use crate::kernels::{Format, Packed};

/// Weights in fixed point, at the server.
pub struct FixedWeights {
    /// `round(w 2^f)`.
    pub weight: Vec<i64>,
    /// `round(b 2^(fx + f))`.
    pub bias: Option<Vec<i64>>,
}

/// Reads the server's weights; gives the same each time.
pub type Source = Box<dyn Fn() -> Result<FixedWeights, Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// What is kept of a matrix.
pub(super) enum Matrix {
    /// Ready for products.
    Held(Packed),
    /// The dealer's mask: where each piece of it begins in the server's stream.
    Recalled(Vec<Recall>),
    /// The client's E for a large matrix, as it came: `k` bits a weight.
    Received(Vec<Buf>),
    /// As that, in host memory.
    Stored(Vec<Vec<u8>>),
    /// The server's weights where they came from.
    Read(Source),
}

/// Client and dealer keep matrices of up to this many weights ready for products. Of larger ones the client keeps the
/// messages, unless these are hardly smaller, and the dealer nothing, and both make them ready again for every evaluation,
/// which takes some nanoseconds a weight, and next to nothing beside their product with many rows.
const KEPT: usize = 1 << 20;
/// Largest ring in which messages are so much smaller than whole words that the client keeps these instead.
const PACKED: u32 = 56;

/// What a role keeps of a layer's weights for the session: the server W with the bias, the client E, the dealer B.
pub struct ServerWeights {
    matrix: Matrix,
    /// What the matrix takes of the device's budget, given back with it.
    _room: Option<Lease>,
    /// Ring of the layer.
    pub k: u32,
    /// Fraction bits of the weights.
    pub f: u32,
}

impl ServerWeights {
    pub(super) fn new((matrix, room): (Matrix, Option<Lease>), k: u32, f: u32) -> Self {
        Self { matrix, _room: room, k, f }
    }

    /// The matrix, ready for products. What is not held is made now, and is gone with the last use of what is returned.
    pub(super) fn matrix(&self, ctx: &mut Ctx, layer: &Layer) -> Result<Packed, Error> {
        let n = layer.weight_len();
        let words = match &self.matrix {
            Matrix::Held(packed) => return Ok(packed.clone()),
            Matrix::Recalled(masks) => recalled(ctx, masks, n, self.k)?,
            Matrix::Received(messages) => received(ctx, messages, n, self.k)?,
            Matrix::Stored(messages) => {
                give_up(ctx)?;
                let messages = messages.iter().map(|m| ctx.rec.upload(m)).collect::<Result<Vec<_>, _>>()?;
                received(ctx, &messages, n, self.k)?
            }
            Matrix::Read(source) => {
                give_up(ctx)?;
                let fixed = source().map_err(Error::Weights)?;
                let words = ctx.rec.upload_slice(&fixed.weight)?;
                return packed(ctx, layer, &fixed, &words);
            }
        };
        layer.pack(&mut ctx.rec, Format::Ring, &words, None)
    }
}

/// Waits until the device has done what was recorded: what was made for the layer before is free then, and not before.
fn give_up(ctx: &mut Ctx) -> Result<(), Error> {
    ctx.rec.read(&[])?;
    Ok(())
}

/// The server's matrix with the bias; `words` are the weights on the device. Masks fill the ring, weights do not.
fn packed(ctx: &mut Ctx, layer: &Layer, fixed: &FixedWeights, words: &Buf) -> Result<Packed, Error> {
    let bias = fixed.bias.as_ref().map(|b| ctx.rec.upload_slice(b)).transpose()?;
    layer.pack(&mut ctx.rec, Format::of(&fixed.weight), words, bias.as_ref())
}

/// What the server holds of these weights, whose words are on the device; without a source they stay there.
pub(super) fn at_server(
    ctx: &mut Ctx,
    layer: &Layer,
    (fixed, words): (&FixedWeights, &Buf),
    source: Option<Source>,
) -> Result<(Matrix, Option<Lease>), Error> {
    let lease = ctx.rec.gpu().hold(layer.packed_bytes(&ctx.rec, Format::of(&fixed.weight)));
    match (lease, source) {
        (None, Some(source)) => Ok((Matrix::Read(source), None)),
        (lease, _) => Ok((Matrix::Held(packed(ctx, layer, fixed, words)?), lease)),
    }
}

/// What the client holds of the messages with E.
pub(super) fn at_client(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    messages: Vec<Buf>,
) -> Result<(Matrix, Option<Lease>), Error> {
    let n = layer.weight_len();
    if n > KEPT && k <= PACKED {
        if let Some(lease) = ctx.rec.gpu().hold(messages.iter().map(Buf::bytes).sum()) {
            return Ok((Matrix::Received(messages), Some(lease)));
        }
    } else if let Some(lease) = ctx.rec.gpu().hold(layer.packed_bytes(&ctx.rec, Format::Ring)) {
        let e = received(ctx, &messages, n, k)?;
        return Ok((Matrix::Held(layer.pack(&mut ctx.rec, Format::Ring, &e, None)?), Some(lease)));
    }
    let all: Vec<_> = messages.iter().map(|m| (m, m.bytes() as usize)).collect();
    Ok((Matrix::Stored(ctx.rec.read(&all)?), None))
}

/// What the dealer holds of the server's mask, whose pieces begin there.
pub(super) fn at_dealer(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    masks: Vec<Recall>,
) -> Result<(Matrix, Option<Lease>), Error> {
    let n = layer.weight_len();
    let room = |ctx: &Ctx| ctx.rec.gpu().hold(layer.packed_bytes(&ctx.rec, Format::Ring));
    match if n > KEPT { None } else { room(ctx) } {
        Some(lease) => {
            let b = recalled(ctx, &masks, n, k)?;
            Ok((Matrix::Held(layer.pack(&mut ctx.rec, Format::Ring, &b, None)?), Some(lease)))
        }
        None => Ok((Matrix::Recalled(masks), None)),
    }
}
