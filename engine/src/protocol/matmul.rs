//! Products of secret matrices. Source: protocol.md section 3.

use super::local::Map;
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::{Buf, Recorder};
use crate::kernels::{self, Element, Mode, Packed, Strided};

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
    fn add(&self, rec: &mut Recorder, mode: Mode, a: &Buf, b: &Packed, out: &Buf) -> Result<(), Error> {
        Ok(kernels::matmul(rec, Element::Ring, mode, a, self.a, b, out, self.out, self.m)?)
    }

    fn elements(&self) -> usize {
        self.a.batches * self.m * self.n
    }
}

/// A right-hand side as a role multiplies by it: `[first] d - l` and `d` at a party, `l` at the dealer.
pub(super) struct Operand {
    ring: u32,
    f: u32,
    terms: Vec<Buf>,
}

/// An [`Operand`], or some of its matrices, packed for any number of products.
pub(super) struct Right {
    ring: u32,
    f: u32,
    terms: Vec<Packed>,
}

/// Prepares the right-hand side of products.
pub(super) fn right(ctx: &mut Ctx, b: &Wire) -> Result<Operand, Error> {
    let terms = if ctx.is_party() {
        let (factor, first) = (ctx.rec.words(b.n)?, u64::from(ctx.first()));
        let minus = Some((&b.lam, u64::MAX, Map::SAME));
        super::local::affine(&mut ctx.rec, b.n, (b.opened(), first), minus, 0, &factor)?;
        vec![factor, b.opened().clone()]
    } else {
        vec![b.lam.clone()]
    };
    Ok(Operand { ring: b.k, f: b.f, terms })
}

impl Operand {
    /// Packs the matrices that a product reads.
    pub(super) fn pack(&self, ctx: &mut Ctx, shape: &MatmulShape) -> Result<Right, Error> {
        let one = |b| kernels::pack(&mut ctx.rec, Element::Ring, b, shape.b, shape.k, shape.n);
        let terms = self.terms.iter().map(one).collect::<Result<_, _>>()?;
        Ok(Right { ring: self.ring, f: self.f, terms })
    }
}

impl Right {
    /// Ring bits.
    pub(super) fn ring(&self) -> u32 {
        self.ring
    }
}

/// `a b` for masked wires: `(d_a - l_a)(d_b - l_b)`.
///
/// * Before: wires whose rings hold the product. After: additive share in Z_2^min(ka, kb), `fa + fb` fraction bits.
/// * Error: none. Cost: 0 online, `k` bits an *output* element offline, 0 rounds.
pub fn matmul(ctx: &mut Ctx, a: &Wire, b: &Wire, shape: &MatmulShape) -> Result<Share, Error> {
    let b = right(ctx, b)?.pack(ctx, shape)?;
    matmul_right(ctx, a, &b, shape)
}

/// As [`matmul`], with a right-hand side that was packed before.
pub(super) fn matmul_right(ctx: &mut Ctx, a: &Wire, b: &Right, shape: &MatmulShape) -> Result<Share, Error> {
    let (n, k) = (shape.elements(), a.k.min(b.ring));
    let c = ctx.deal(n, k, |rec| {
        let out = rec.words(n)?;
        shape.add(rec, Mode::Set, &a.lam, &b.terms[0], &out)?;
        Ok(out)
    })?;
    if let Some(c) = &c {
        // d_a ([first] d_b - l_b) - l_a d_b + c
        shape.add(&mut ctx.rec, Mode::Add, a.opened(), &b.terms[0], c)?;
        shape.add(&mut ctx.rec, Mode::Sub, &a.lam, &b.terms[1], c)?;
    }
    Ok(Share { n, k, f: a.f + b.f, buf: c })
}

/// Cost of [`matmul`].
pub fn matmul_cost(shape: &MatmulShape, k: u32) -> Cost {
    Cost { offline: packed_bytes(shape.elements(), k), ..Cost::default() }
}
