//! Linear layers whose weights only the server knows. Source: protocol.md section 4.
//!
//! Once per session the dealer gives the server a mask B (by seed) and the server sends E = W - B. Per evaluation the
//! client sends `x0 - A` with its own mask A; then
//! `out0 = A E + c0` and `out1 = (x1 + x0 - A) W + c1 + bias` with dealt `c0 + c1 = A B`.

use super::local::Map;
use super::open::open_cost;
use super::{Cost, Ctx, Error, Role, Share, packed_bytes};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::kernels::{
    ConvShape, Element, Format, Mode, Packed, Strided, conv2d, matmul, pack_conv_with_bias, pack_with_bias,
};
use crate::{args, bufs};

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

    fn pack(&self, rec: &mut Recorder, format: Format, w: &Buf, bias: Option<&Buf>) -> Result<Packed, Error> {
        Ok(match self {
            Layer::Dense { inputs, outputs, transposed, .. } => {
                let layout = if *transposed { Strided::rows(*outputs) } else { Strided::rows(*inputs).transposed() };
                pack_with_bias(rec, format, w, layout, *inputs, *outputs, bias)?
            }
            Layer::Conv(s) => pack_conv_with_bias(rec, format, w, s, bias)?,
        })
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

/// What a role keeps of a layer's weights for the session: the server W with the bias, the client E, the dealer B.
pub struct ServerWeights {
    matrix: Packed,
    /// Ring of the layer.
    pub k: u32,
    /// Fraction bits of the weights.
    pub f: u32,
}

/// Weights in fixed point, at the server.
pub struct FixedWeights {
    /// `round(w 2^f)`.
    pub weight: Vec<i64>,
    /// `round(b 2^(fx + f))`.
    pub bias: Option<Vec<i64>>,
}

/// Distributes a layer's weights, once per session.
///
/// * Before: the server knows W. After: the client knows `E = W - B mod 2^k`, which is uniform.
/// * Cost: `k` bits per weight, server to client.
pub fn share_weights(
    ctx: &mut Ctx,
    layer: &Layer,
    k: u32,
    f: u32,
    known: Option<&FixedWeights>,
) -> Result<ServerWeights, Error> {
    let n = layer.weight_len();
    let b = ctx.one_sided(Role::Server, n, k)?;
    let bytes = packed_bytes(n, k);
    let (matrix, bias, format) = match (ctx.role, b) {
        (Role::Dealer, Some(b)) => (b, None, Format::Ring),
        (Role::Server, Some(b)) => {
            let fixed = known.expect("the server knows the weights");
            let w = ctx.rec.upload_slice(&fixed.weight)?;
            let e = ctx.rec.words(n)?;
            super::local::affine(&mut ctx.rec, n, (&w, 1), Some((&b, u64::MAX, Map::SAME)), 0, &e)?;
            let msg = ctx.pack(&e, n, k)?;
            ctx.server_to_client(Some(&msg), bytes)?;
            let bias = fixed.bias.as_ref().map(|b| ctx.rec.upload_slice(b)).transpose()?;
            // Masks fill the ring, weights do not.
            (w, bias, Format::of(&fixed.weight))
        }
        _ => {
            let msg = ctx.server_to_client(None, bytes)?.expect("the client receives");
            let e = ctx.rec.words(n)?;
            ctx.rec.run(&Kernel::new("unpack").bits(k), args![n: n, k: k], bufs![a: &msg, out: &e], n.div_ceil(8))?;
            (e, None, Format::Ring)
        }
    };
    let matrix = layer.pack(&mut ctx.rec, format, &matrix, bias.as_ref())?;
    ctx.rec.flush()?;
    Ok(ServerWeights { matrix, k, f })
}

/// Applies a layer.
///
/// * Before: additive share in Z_2^k' with `k' >= k`. After: additive share in Z_2^k with `fx + f` fraction bits; the
///   output must fit it.
/// * Error: none beyond the weights' rounding. Cost: see [`linear_cost`].
pub fn linear(ctx: &mut Ctx, x: &Share, layer: &Layer, w: &ServerWeights) -> Result<Share, Error> {
    let (n, out_len, k) = (layer.input_len(), layer.output_len(), w.k);
    assert_eq!(x.n, n, "input of {layer:?}");
    assert!(x.k >= k, "a share of {} bits for a layer in {k}", x.k);
    let bytes = packed_bytes(n, k);
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
        let masked = ctx.rec.words(n)?;
        ctx.rec.run(
            &Kernel::new("unpack").with("PLUS").bits(k),
            args![n: n, k: k],
            bufs![a: &msg, x: x.words(), out: &masked],
            n.div_ceil(8),
        )?;
        input = Some(masked);
    }
    let input = input.expect("every role has an operand");
    let c = ctx.deal(out_len, k, false, |rec| {
        let out = rec.words(out_len)?;
        layer.apply(rec, Mode::Set, &input, &w.matrix, &out)?;
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            layer.apply(&mut ctx.rec, Mode::Add, &input, &w.matrix, &c)?;
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
