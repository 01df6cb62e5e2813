//! Comparison of a masked wire with public thresholds. Source: protocol.md section 5.
//!
//! `[x < T] = sign(d) ^ sign(l) ^ [d_low < l_low]` with `d = delta - T` public and the mask `l` inside a window of bits.
//! The low bits are compared nibble by nibble on dealt one-hots, locally; one exchange of a masked byte combines four
//! nibbles, a second one up to four such groups. The result stays masked: both parties learn `c = b ^ beta`.

use super::open::Sealed;
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::{Buf, Kernel};
use crate::{args, bufs};

/// Bits `lo..hi` of a wire. Values must lie in the signed range of `hi` bits; below `lo` they are ignored, so a result may
/// be wrong within `2^(lo - 1)` units of the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First bit looked at.
    pub lo: u32,
    /// One past the last bit.
    pub hi: u32,
}

impl Window {
    /// Groups of four nibbles below the sign bit.
    fn groups(self) -> usize {
        ((self.hi - self.lo - 1).div_ceil(16) as usize).max(1)
    }

    /// Dealt bits of the leaves of one group, a multiple of 4.
    fn leaf_bits(self) -> u32 {
        if self.groups() > 1 { 60 } else { (15 * (self.hi - self.lo - 1).div_ceil(4)).next_multiple_of(4).max(4) }
    }
}

/// Masked bits `[x < T_j]` for every threshold and element. Rows are padded to whole groups of 8 elements.
#[derive(Clone, Debug)]
pub struct Bits {
    /// Elements of the wire.
    pub n: usize,
    /// Thresholds.
    pub thresholds: usize,
    /// Opened bits `c`, packed, `[thresholds][n padded]` (none at the dealer).
    pub opened: Option<Buf>,
    /// Words `[thresholds][n padded]` whose bit 8 is the (share of the) mask `beta`.
    pub masks: Buf,
}

impl Bits {
    /// Elements of a row with its padding.
    pub fn row(&self) -> usize {
        row(self.n)
    }
}

/// Kernels take eight elements a thread.
pub(super) fn row(n: usize) -> usize {
    n.next_multiple_of(8)
}

const BETA_WORD: u32 = 12;

/// Masked bits of the comparison of a wire with public thresholds (integers in the wire's units).
///
/// * Needs differences to the thresholds in the signed range of `hi` bits.
/// * Error: a bit may be wrong for values within `2^(lo - 1)` units of its threshold, with a probability that falls from 1/2
///   to 0; never elsewhere, and never for `lo = 0`.
/// * Cost: see [`compare_cost`].
pub fn compare(ctx: &mut Ctx, x: &Wire, thresholds: &[i64], window: Window) -> Result<Bits, Error> {
    Ok(compare_and_open(ctx, x, thresholds, window, &[])?.0)
}

/// As [`compare`], and opens shares in its first round (see [`super::open_all`]).
pub(super) fn compare_and_open(
    ctx: &mut Ctx,
    x: &Wire,
    thresholds: &[i64],
    window: Window,
    also: &[(&Share, u32, u32)],
) -> Result<(Bits, Vec<Wire>), Error> {
    let mut first = vec![];
    let (bits, _) = compare_beside(ctx, x, thresholds, window, also, |_, wires| {
        first = wires;
        Ok(None)
    })?;
    Ok((bits, first))
}

/// A share that is to be opened: what, the bits to cut, the ring.
pub(super) type Opening = (Share, u32, u32);

/// As [`compare`], and opens shares in its first round, and in its last one the share that `then` makes of their wires.
pub(super) fn compare_beside(
    ctx: &mut Ctx,
    x: &Wire,
    thresholds: &[i64],
    window: Window,
    also: &[(&Share, u32, u32)],
    then: impl FnOnce(&mut Ctx, Vec<Wire>) -> Result<Option<Opening>, Error>,
) -> Result<(Bits, Option<Wire>), Error> {
    let Window { lo, hi } = window;
    let sealed = Sealed::new(ctx, also)?;
    assert!(hi <= x.k && hi > lo + 1, "window {lo}..{hi} of a wire of {} bits", x.k);
    let (n, groups, levels) = (row(x.n), window.groups(), thresholds.len());
    let sign = hi - 1;
    let leaves = ctx.deal(n * groups, window.leaf_bits(), true, |rec| {
        let out = rec.words(n * groups)?;
        rec.run(
            &Kernel::new("compare_deal"),
            args![n: n, groups: groups, lo: lo, hi: hi],
            bufs![lam: &x.lam, out: &out],
            n * groups / 8,
        )?;
        Ok(out)
    })?;
    let instances = levels * groups * n;
    let masks = ctx.mask_bits(instances, BETA_WORD)?;
    let products = products(ctx, x, &masks, instances, sign, if groups > 1 { 24 } else { 16 })?;
    let last = levels * n;
    let second = if groups > 1 {
        let m = ctx.mask_bits(last, BETA_WORD)?;
        let p = self::products(ctx, x, &m, last, sign, 16)?;
        Some((m, p))
    } else {
        None
    };
    let result_masks = second.as_ref().map_or(&masks, |s| &s.0).clone();
    let mut bits = Bits { n: x.n, thresholds: levels, opened: None, masks: result_masks };
    let last_opening = |ctx: &mut Ctx, wires| -> Result<Sealed, Error> {
        let what = then(ctx, wires)?;
        Sealed::new(ctx, &what.iter().map(|(s, cut, k)| (s, *cut, *k)).collect::<Vec<_>>())
    };
    let (Some(leaves), Some(products)) = (leaves, products) else {
        let wires = sealed.finish(ctx, &[])?;
        let wire = last_opening(ctx, wires)?.finish(ctx, &[])?.pop();
        return Ok((bits, wire));
    };

    let first = ctx.first();
    // Dropping the low bits of delta and mask rounds the difference down or up, at random by its fraction: half a unit of
    // the window centres what may go wrong.
    let half = 1i64 << lo >> 1;
    let t: Vec<u64> = thresholds.iter().map(|t| (t + half) as u64).collect();
    let t = ctx.rec.upload_slice(&t)?;
    let mut mine = ctx.rec.alloc(instances)?;
    ctx.rec.run(
        &Kernel::new("compare_leaf"),
        args![n: n, groups: groups, count: instances, lo: lo, hi: hi, first: first],
        bufs![delta: x.opened(), thresholds: &t, leaves: &leaves, masks: &masks, msg: &mine],
        instances / 8,
    )?;
    let mut messages = vec![(&mine, instances as u64)];
    messages.extend(sealed.messages());
    let mut received = ctx.exchange(&messages)?;
    let mut theirs = received.remove(0);
    let wires = sealed.finish(ctx, &received)?;
    let sealed = last_opening(ctx, wires)?;
    let mut last_products = products.clone();
    if let Some((m, p)) = &second {
        let p = p.as_ref().expect("a party's share");
        let msg = ctx.rec.alloc(last)?;
        ctx.rec.run(
            &Kernel::new("compare_level"),
            args![n: n, groups: groups, count: last, first: first],
            bufs![mine: &mine, theirs: &theirs, masks: &masks, products: &products, next: m, msg: &msg],
            last / 8,
        )?;
        mine = msg;
        theirs = ctx.exchange(&[(&mine, last as u64)])?.remove(0);
        last_products = p.clone();
    }
    let words = last.div_ceil(32);
    let msg = ctx.rec.alloc(words * 4)?;
    ctx.rec.run(
        &Kernel::new("compare_final"),
        args![n: n, count: last, hi: hi, first: first],
        bufs![mine: &mine, theirs: &theirs, masks: &bits.masks, products: &last_products, delta: x.opened(),
            thresholds: &t, msg: &msg],
        words,
    )?;
    let mut messages = vec![(&msg, last as u64 / 8)];
    messages.extend(sealed.messages());
    let mut received = ctx.exchange(&messages)?;
    let other = received.remove(0);
    let wire = sealed.finish(ctx, &received)?.pop();
    let opened = ctx.rec.alloc(words * 4)?;
    ctx.rec.run(&Kernel::new("xor"), args![n: words], bufs![a: &msg, b: &other, out: &opened], words)?;
    bits.opened = Some(opened);
    Ok((bits, wire))
}

fn products(ctx: &mut Ctx, x: &Wire, masks: &Buf, count: usize, sign: u32, k: u32) -> Result<Option<Buf>, Error> {
    ctx.deal(count, k, true, |rec| {
        let out = rec.words(count)?;
        rec.run(
            &Kernel::new("compare_products"),
            args![count: count, n: row(x.n), sign: sign],
            bufs![masks: masks, lam: &x.lam, out: &out],
            count / 8,
        )?;
        Ok(out)
    })
}

/// Cost of [`compare`]: online, each way, 1 byte per element, threshold and group of 16 window bits, a further byte for two
/// or more groups, and 1 bit; offline at most 60 bits per element and group plus 16 (24) bits per threshold and group;
/// 2 rounds, or 3 with several groups. Elements count in whole groups of 8.
pub fn compare_cost(n: usize, thresholds: usize, window: Window) -> Cost {
    let (n, groups) = (row(n), window.groups());
    let (instances, last) = (n * groups * thresholds, n * thresholds);
    let mut way = (instances + last / 8) as u64;
    let mut offline = packed_bytes(n * groups, window.leaf_bits());
    let mut half_rounds = 4;
    if groups > 1 {
        way += last as u64;
        offline += packed_bytes(instances, 24) + packed_bytes(last, 16);
        half_rounds += 2;
    } else {
        offline += packed_bytes(instances, 16);
    }
    Cost { to_server: way, to_client: way, offline, half_rounds }
}
