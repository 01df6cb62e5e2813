//! Linear layers whose weights only the server knows. Source: protocol.md section 4.
//!
//! Once per session the dealer gives the server a mask B (by seed) and the server sends E = W - B. Per evaluation the
//! client sends `x0 - A` with its own mask A; then
//! `out0 = A E + c0` and `out1 = (x1 + x0 - A) W + c1 + bias` with dealt `c0 + c1 = A B`.

use super::held::{FixedWeights, ServerWeights, Source, at_client, at_dealer, at_server};
use super::local::{Map, affine};
use super::open::open_cost;
use super::pieces::{WORDS, cut, ranges};
use super::{Cost, Ctx, Error, Recall, Role, Share, packed_bytes};
use crate::gpu::{Buf, Recorder};
use crate::kernels::{
    ConvShape, Element, Format, Mode, Packed, Strided, conv2d, matmul, pack_conv_with_bias, pack_with_bias,
};

/// Which linear map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// `[rows, inputs] -> [rows, outputs]`, weight `[outputs, inputs]`, or `[inputs, outputs]` if transposed.
    Dense {
        /// Rows of the input.
        rows: usize,
        /// Input width.
        inputs: usize,
        /// Output width.
        outputs: usize,
        /// Weight stored `[inputs, outputs]`.
        transposed: bool,
    },
    /// Convolution, weight `[outputs, inputs, kernel, kernel]`.
    Conv(ConvShape),
}

impl Layer {
    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        match self {
            Layer::Dense { rows, inputs, .. } => rows * inputs,
            Layer::Conv(s) => s.n * s.h * s.w * s.c,
        }
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        match self {
            Layer::Dense { rows, outputs, .. } => rows * outputs,
            Layer::Conv(s) => s.positions() * s.outputs,
        }
    }

    /// Width of the output's last dimension.
    pub fn outputs(&self) -> usize {
        match self {
            Layer::Dense { outputs, .. } => *outputs,
            Layer::Conv(s) => s.outputs,
        }
    }

    /// Elements of the weight.
    pub fn weight_len(&self) -> usize {
        match self {
            Layer::Dense { inputs, outputs, .. } => inputs * outputs,
            Layer::Conv(s) => s.outputs * s.c * s.kernel * s.kernel,
        }
    }

    pub(super) fn pack(
        &self,
        rec: &mut Recorder,
        format: Format,
        w: &Buf,
        bias: Option<&Buf>,
    ) -> Result<Packed, Error> {
        Ok(match self {
            Layer::Dense { inputs, outputs, transposed, .. } => {
                let layout = if *transposed { Strided::rows(*outputs) } else { Strided::rows(*inputs).transposed() };
                pack_with_bias(rec, format, w, layout, *inputs, *outputs, bias)?
            }
            Layer::Conv(s) => pack_conv_with_bias(rec, format, w, s, bias)?,
        })
    }

    /// Device memory of the packed weights.
    pub(super) fn packed_bytes(&self, rec: &Recorder, format: Format) -> u64 {
        let k = match self {
            Layer::Dense { inputs, .. } => *inputs,
            Layer::Conv(s) => s.k(),
        };
        Packed::needed(rec, format, k, self.outputs())
    }

    fn apply(&self, rec: &mut Recorder, mode: Mode, x: &Buf, w: &Packed, out: &Buf) -> Result<(), Error> {
        match self {
            Layer::Dense { rows, inputs, outputs, .. } => {
                let (from, to) = (Strided::rows(*inputs), Strided::rows(*outputs));
                matmul(rec, Element::Ring, mode, x, from, w, out, to, *rows)?;
            }
            Layer::Conv(s) => conv2d(rec, Element::Ring, mode, x, s, w, out)?,
        }
        Ok(())
    }
}

/// Distributes a layer's weights, once per session.
///
/// * Before: the server knows W. After: the client knows `E = W - B mod 2^k`, which is uniform.
/// * Memory: of a large matrix the client keeps `k` bits a weight (64 from 60 on), the server 16 where they are enough, the dealer
///   nothing. Beyond the device's budget ([`AdapterChoice::weights`](crate::gpu::AdapterChoice::weights)) the client keeps them in
///   host memory, and the server where it read them, if it can do so again ([`share_source`]).
/// * Cost: `k` bits per weight, server to client, in a message for every 2^24 weights.
pub fn share_weights(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    f: u32,
    known: Option<&FixedWeights>,
) -> Result<ServerWeights, Error> {
    distribute(ctx, layer, k, f, known, None)
}

/// As [`share_weights`], with weights that the server can read again, and does whenever they did not fit into the device's
/// budget.
pub fn share_source(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    f: u32,
    source: Option<Source>,
) -> Result<ServerWeights, Error> {
    let known = source.as_ref().map(|read| read()).transpose().map_err(Error::Weights)?;
    distribute(ctx, layer, k, f, known.as_ref(), source)
}

fn distribute(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    f: u32,
    known: Option<&FixedWeights>,
    source: Option<Source>,
) -> Result<ServerWeights, Error> {
    let n = layer.weight_len();
    let pieces: Vec<_> = ranges(n, WORDS).collect();
    let masks: Vec<Recall> = pieces.iter().map(|_| ctx.one_sided_address(Role::Server)).collect();
    let matrix = match ctx.role {
        Role::Dealer => at_dealer(ctx, layer, k, masks)?,
        Role::Server => {
            let fixed = known.expect("the server knows the weights");
            let w = ctx.rec.upload_slice(&fixed.weight)?;
            for (r, mask) in pieces.iter().zip(&masks) {
                let (b, e) = (ctx.rec.words(r.len())?, ctx.rec.words(r.len())?);
                ctx.recall(mask, k, &b)?;
                affine(&mut ctx.rec, r.len(), (&cut(&w, r), 1), Some((&b, u64::MAX, Map::SAME)), 0, &e)?;
                let msg = ctx.pack(&e, r.len(), k)?;
                ctx.server_to_client(Some(&msg), packed_bytes(r.len(), k))?;
            }
            at_server(ctx, layer, (fixed, &w), source)?
        }
        Role::Client => {
            let mut messages = Vec::with_capacity(pieces.len());
            for r in &pieces {
                messages.push(ctx.server_to_client(None, packed_bytes(r.len(), k))?.expect("the client receives"));
            }
            at_client(ctx, layer, k, messages)?
        }
    };
    ctx.rec.flush()?;
    Ok(ServerWeights::new(matrix, k, f))
}

/// The client's E of `n` weights.
pub(super) fn received(ctx: &mut Ctx, messages: &[Buf], n: usize, k: u32) -> Result<Buf, Error> {
    let out = ctx.rec.words(n)?;
    for (r, message) in ranges(n, WORDS).zip(messages) {
        ctx.unpack_to(message, r.len(), k, &cut(&out, &r))?;
    }
    Ok(out)
}

/// The dealer's mask of `n` weights.
pub(super) fn recalled(ctx: &mut Ctx, masks: &[Recall], n: usize, k: u32) -> Result<Buf, Error> {
    let out = ctx.rec.words(n)?;
    for (r, mask) in ranges(n, WORDS).zip(masks) {
        ctx.recall(mask, k, &cut(&out, &r))?;
    }
    Ok(out)
}

/// A value that the client has masked for the server: what layers read, and as many of them as like to.
#[derive(Clone, Debug)]
pub struct Masked {
    n: usize,
    /// Ring.
    pub k: u32,
    f: u32,
    /// The mask A at client and dealer, `x - A` at the server.
    input: Buf,
}

/// Sends `x - A` from client to server, of a share in a ring of at least `k` bits, with a mask A of the client.
///
/// * Cost: `k` bits an element client to server, half a round.
pub fn masked(ctx: &mut Ctx, x: &Share, k: u32) -> Result<Masked, Error> {
    assert!(x.k >= k, "a share of {} bits for a layer in {k}", x.k);
    let (n, bytes) = (x.n, packed_bytes(x.n, k));
    // The client's mask: drawn inside `seal` there, alone here; the server advances its addresses with them.
    let (a, msg) = if ctx.role == Role::Client {
        let (a, msg) = ctx.seal(x.words(), n, k, 0, k, true)?;
        (Some(a), Some(msg))
    } else {
        (ctx.one_sided(Role::Client, n, k)?, None)
    };
    let mut input = a;
    if ctx.is_party()
        && let Some(msg) = ctx.client_to_server(msg.as_ref(), bytes)?
    {
        input = Some(ctx.unpack_plus(&msg, x.words(), n, k)?);
    }
    Ok(Masked { n, k, f: x.f, input: input.expect("every role has an operand") })
}

/// Applies a layer.
///
/// * Before: additive share in Z_2^k' with `k' >= k`. After: additive share in Z_2^k with `fx + f` fraction bits; the
///   output must fit it.
/// * Error: none beyond the weights' rounding. Cost: see [`linear_cost`].
pub fn linear(ctx: &mut Ctx, x: &Share, layer: &Layer, w: &ServerWeights) -> Result<Share, Error> {
    let x = masked(ctx, x, w.k)?;
    linear_masked(ctx, &x, layer, w)
}

/// As [`linear`], of a value that is masked already, in a ring as large as the layer's or larger. Nothing goes over the wire.
pub fn linear_masked(ctx: &mut Ctx, x: &Masked, layer: &Layer, w: &ServerWeights) -> Result<Share, Error> {
    let (input, out_len, k) = (&x.input, layer.output_len(), w.k);
    assert_eq!(x.n, layer.input_len(), "input of {layer:?}");
    assert!(x.k >= k, "a value masked in {} bits for a layer in {k}", x.k);
    let matrix = w.matrix(ctx, layer)?;
    let c = ctx.deal(out_len, k, |rec| {
        let out = rec.words(out_len)?;
        layer.apply(rec, Mode::Set, input, &matrix, &out)?;
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            layer.apply(&mut ctx.rec, Mode::Add, input, &matrix, &c)?;
            Some(c)
        }
        None => None,
    };
    Ok(Share { n: out_len, k, f: x.f + w.f, buf })
}

/// Cost of [`linear`]: `k` bits an input element client to server, `k` bits an output element offline, half a round.
pub fn linear_cost(layer: &Layer, k: u32) -> Cost {
    let online = open_cost(&[(layer.input_len(), k)]).to_server;
    Cost { to_server: online, to_client: 0, offline: packed_bytes(layer.output_len(), k), half_rounds: 1 }
}
