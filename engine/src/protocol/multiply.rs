//! Products of masked wires. Source: protocol.md section 3.

use super::local::{Groups, Map};
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::Kernel;
use crate::{args, bufs};

/// Elementwise `z = x y` with `y` broadcast by `map`.
///
/// * Before: masked wires. After: additive share in Z_2^min(kx, ky) with `fx + fy` fraction bits; the product must fit it.
/// * Error: none. Cost: 0 online, `k` bits an element offline, 0 rounds.
pub fn multiply(ctx: &mut Ctx, x: &Wire, y: &Wire, map: Map) -> Result<Share, Error> {
    let k = x.k.min(y.k);
    let c = ctx.deal(x.n, k, false, |rec| {
        let out = rec.words(x.n)?;
        rec.run(
            &Kernel::new("multiply").with("DEALER"),
            args![n: x.n, first: 0u32, od: map.od, om: map.om, id: map.id, im: map.im],
            bufs![lx: &x.lam, ly: &y.lam, out: &out],
            x.n.div_ceil(8),
        )?;
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            let out = ctx.rec.words(x.n)?;
            ctx.rec.run(
                &Kernel::new("multiply"),
                args![n: x.n, first: ctx.first(), od: map.od, om: map.om, id: map.id, im: map.im],
                bufs![lx: &x.lam, ly: &y.lam, dx: x.opened(), dy: y.opened(), c: &c, out: &out],
                x.n.div_ceil(8),
            )?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: x.n, k, f: x.f + y.f, buf })
}

/// Cost of [`multiply`].
pub fn multiply_cost(n: usize, k: u32) -> Cost {
    Cost { offline: packed_bytes(n, k), ..Cost::default() }
}

/// `z_j = sum of x^2` over each group: one dealt word a group.
///
/// * Before: masked wire in a ring that holds the sum. After: additive share of the groups with `2 f` fraction bits.
/// * Error: none. Cost: 0 online, `k` bits a *group* offline, 0 rounds.
pub fn square_sums(ctx: &mut Ctx, x: &Wire, groups: &Groups) -> Result<Share, Error> {
    let c = ctx.deal(groups.count, x.k, false, |rec| {
        groups.run(rec, &Kernel::new("reduce").with("SQUARE"), &x.lam, None, 0)
    })?;
    let buf = match c {
        Some(c) => {
            let first = ctx.first();
            let local =
                groups.run(&mut ctx.rec, &Kernel::new("reduce").with("WIRE"), x.opened(), Some(&x.lam), first)?;
            let out = ctx.rec.words(groups.count)?;
            super::local::affine(&mut ctx.rec, groups.count, (&local, 1), Some((&c, 1, Map::SAME)), 0, &out)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: groups.count, k: x.k, f: 2 * x.f, buf })
}
