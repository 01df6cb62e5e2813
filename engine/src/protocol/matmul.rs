//! Products of secret matrices. Source: protocol.md section 3.

use super::local::Map;
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::{Buf, Recorder};
use crate::kernels::{self, Element, Mode, Strided};

/// Shapes of a batched product `a [m, k] b [k, n] -> [m, n]`.
#[derive(Clone, Copy, Debug)]
pub struct MatmulShape {
    /// Where `a` lies; its `batches` is the number of products.
    pub a: Strided,
    /// Where `b` lies, rows along k.
    pub b: Strided,
    /// Where the result goes.
    pub out: Strided,
    /// Rows of `a`.
    pub m: usize,
    /// Inner extent.
    pub k: usize,
    /// Columns of `b`.
    pub n: usize,
}

impl MatmulShape {
    fn add(&self, rec: &mut Recorder, mode: Mode, a: &Buf, b: &Buf, out: &Buf) -> Result<(), Error> {
        let packed = kernels::pack(rec, Element::Ring, b, self.b, self.k, self.n)?;
        kernels::matmul(rec, Element::Ring, mode, a, self.a, &packed, out, self.out, self.m)?;
        Ok(())
    }

    fn elements(&self) -> usize {
        self.a.batches * self.m * self.n
    }
}

/// `a b` for masked wires: `(d_a - l_a)(d_b - l_b)`.
///
/// * Before: wires whose rings hold the product. After: additive share in Z_2^min(ka, kb), `fa + fb` fraction bits.
/// * Error: none. Cost: 0 online, `k` bits an *output* element offline, 0 rounds.
pub fn matmul(ctx: &mut Ctx, a: &Wire, b: &Wire, shape: &MatmulShape) -> Result<Share, Error> {
    let (n, k) = (shape.elements(), a.k.min(b.k));
    let c = ctx.deal(n, k, false, |rec| {
        let out = rec.words(n)?;
        shape.add(rec, Mode::Set, &a.lam, &b.lam, &out)?;
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            // d_a ([first] d_b - l_b) - l_a d_b + c
            let factor = ctx.rec.words(b.n)?;
            let first = u64::from(ctx.first());
            super::local::affine(
                &mut ctx.rec,
                b.n,
                (b.opened(), first),
                Some((&b.lam, u64::MAX, Map::SAME)),
                0,
                &factor,
            )?;
            shape.add(&mut ctx.rec, Mode::Add, a.opened(), &factor, &c)?;
            shape.add(&mut ctx.rec, Mode::Sub, &a.lam, b.opened(), &c)?;
            Some(c)
        }
        None => None,
    };
    Ok(Share { n, k, f: a.f + b.f, buf })
}

/// Cost of [`matmul`].
pub fn matmul_cost(shape: &MatmulShape, k: u32) -> Cost {
    Cost { offline: packed_bytes(shape.elements(), k), ..Cost::default() }
}
