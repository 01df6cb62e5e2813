//! Convolutions of a secret image with a secret kernel. Source: protocol.md section 3. For weights that the server knows
//! [`super::linear()`] is much cheaper.

use super::local::{Map, affine};
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::{Buf, Recorder};
use crate::kernels::{self, ConvShape, Element, Mode, pack_conv};

fn add(rec: &mut Recorder, mode: Mode, x: &Buf, w: &Buf, shape: &ConvShape, out: &Buf) -> Result<(), Error> {
    let packed = pack_conv(rec, Element::Ring, w, shape)?;
    kernels::conv2d(rec, Element::Ring, mode, x, shape, &packed, out)?;
    Ok(())
}

/// Convolution of masked wires: `x` as `[n, h, w, c]`, the kernel as `[outputs, c, kernel, kernel]`.
///
/// * Before: wires whose rings hold the result. After: additive share in Z_2^min(kx, kw), `fx + fw` fraction bits.
/// * Error: none. Cost: 0 online, `k` bits an *output* element offline, 0 rounds.
pub fn conv2d(ctx: &mut Ctx, x: &Wire, w: &Wire, shape: &ConvShape) -> Result<Share, Error> {
    let (n, k) = (shape.positions() * shape.outputs, x.k.min(w.k));
    let c = ctx.deal(n, k, |rec| {
        let out = rec.words(n)?;
        add(rec, Mode::Set, &x.lam, &w.lam, shape, &out)?;
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            // d_x * ([first] d_w - l_w) - l_x * d_w + c
            let factor = ctx.rec.words(w.n)?;
            let first = u64::from(ctx.first());
            affine(&mut ctx.rec, w.n, (w.opened(), first), Some((&w.lam, u64::MAX, Map::SAME)), 0, &factor)?;
            add(&mut ctx.rec, Mode::Add, x.opened(), &factor, shape, &c)?;
            add(&mut ctx.rec, Mode::Sub, &x.lam, w.opened(), shape, &c)?;
            Some(c)
        }
        None => None,
    };
    Ok(Share { n, k, f: x.f + w.f, buf })
}

/// Cost of [`conv2d`].
pub fn conv2d_cost(shape: &ConvShape, k: u32) -> Cost {
    Cost { offline: packed_bytes(shape.positions() * shape.outputs, k), ..Cost::default() }
}
