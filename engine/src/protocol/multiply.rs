//! Products of masked wires. Source: protocol.md section 3.

use super::local::Map;
use super::{Cost, Ctx, Error, Groups, Share, Wire, packed_bytes};
use crate::gpu::Kernel;
use crate::{args, streams};

/// Elementwise `z = x y` with `y` broadcast by `map`.
///
/// * Before: masked wires. After: additive share in Z_2^min(kx, ky) with `fx + fy` fraction bits; the product must fit it.
/// * Error: none. Cost: 0 online, `k` bits an element offline, 0 rounds.
pub fn multiply(ctx: &mut Ctx, x: &Wire, y: &Wire, map: Map) -> Result<Share, Error> {
    let k = x.k.min(y.k);
    let Map { od, om, id, im } = map;
    let (same, eights) = (map == Map::SAME, (x.n, 8));
    let kernel = if same { Kernel::new("multiply").with("SAME") } else { Kernel::new("multiply") };
    let c = ctx.deal(x.n, k, |rec| {
        let out = rec.words(x.n)?;
        let (kernel, lx, ly) = (kernel.clone().with("DEALER"), &x.lam, &y.lam);
        if same {
            let streams = streams![lx: lx => 64, ly: ly => 64, out: &out => 64];
            rec.run_each(&kernel, args![first: 0u32], streams, eights)?;
        } else {
            let streams = streams![lx: lx => 64, ly: ly => 0, out: &out => 64];
            rec.run_each(&kernel, args![first: 0u32, od: od, om: om, id: id, im: im], streams, eights)?;
        }
        Ok(out)
    })?;
    let buf = match c {
        Some(c) => {
            let (out, first) = (ctx.rec.words(x.n)?, ctx.first());
            let (lx, ly, dx, dy) = (&x.lam, &y.lam, x.opened(), y.opened());
            if same {
                let streams =
                    streams![lx: lx => 64, ly: ly => 64, dx: dx => 64, dy: dy => 64, c: &c => 64, out: &out => 64];
                ctx.rec.run_each(&kernel, args![first: first], streams, eights)?;
            } else {
                let streams =
                    streams![lx: lx => 64, ly: ly => 0, dx: dx => 64, dy: dy => 0, c: &c => 64, out: &out => 64];
                let args = args![first: first, od: od, om: om, id: id, im: im];
                ctx.rec.run_each(&kernel, args, streams, eights)?;
            }
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
    let c = ctx.deal(groups.count(), x.k, |rec| {
        Ok(groups.run(rec, &Kernel::new("reduce").with("SQUARE"), &x.lam, None, 0)?)
    })?;
    let buf = match c {
        Some(c) => {
            let first = ctx.first();
            let local =
                groups.run(&mut ctx.rec, &Kernel::new("reduce").with("WIRE"), x.opened(), Some(&x.lam), first)?;
            let out = ctx.rec.words(groups.count())?;
            super::local::affine(&mut ctx.rec, groups.count(), (&local, 1), Some((&c, 1, Map::SAME)), 0, &out)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: groups.count(), k: x.k, f: 2 * x.f, buf })
}
