//! Comparison of a masked wire with public thresholds. Source: protocol.md section 5.
//!
//! `[x < T] = sign(d) ^ sign(l) ^ [d_low < l_low]` with `d = delta - T` public and the mask `l` inside a window of bits.
//! The low bits are compared digit by digit on dealt one-hots, locally; one exchange of a masked byte combines four
//! digits, a second one up to four such groups. Digits have 3 bits where four of them suffice, which takes half the
//! corrections, else 4; or 7, whose one-hots are larger, where that saves a round for few elements or bytes for many
//! thresholds. The result stays masked: both parties learn `c = b ^ beta`.

use super::dealt::Dealt;
use super::open::Sealed;
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::correlated::elements_of_block;
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

/// Widest window with one group of digits, and one round less than wider ones: four digits of 7 bits and the sign.
pub(super) const ONE_GROUP: u32 = 29;
/// With fewer elements a round counts for more than bytes.
pub(super) const MANY: usize = 1024;
/// With more thresholds the larger one-hots of few digits take fewer bytes than the products of many.
const LEVELS: usize = 8;

/// How the bits of a window below the sign are cut.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    /// Groups of four digits.
    groups: usize,
    /// What is dealt for an element: words, and their bits, a multiple of 4; 64 for digits of 7 bits, whose one-hots have
    /// two words each.
    leaves: (usize, u32),
}

/// Two digits of 7 bits, for windows of up to 15 bits whose bytes [`super::maximum()`] takes as they are.
pub(super) const TWO: Digits = Digits { groups: 1, leaves: (4, 64) };

impl Window {
    fn digits(self, n: usize, thresholds: usize) -> Digits {
        match self.hi - self.lo - 1 {
            low @ ..=12 => Digits { groups: 1, leaves: (1, (7 * low.div_ceil(3).max(1)).next_multiple_of(4)) },
            17..ONE_GROUP if n < MANY || thresholds > LEVELS => Digits { groups: 1, leaves: (8, 64) },
            low => {
                let groups = low.div_ceil(16) as usize;
                Digits { groups, leaves: (groups, 60) }
            }
        }
    }
}

/// Masked bits `[x < T_j]` for every threshold and element: words `[n / 32 rounded up][thresholds]`, bit `e mod 32` of a word
/// is element `e`'s.
#[derive(Clone, Debug)]
pub struct Bits {
    /// Elements of the wire.
    pub n: usize,
    /// Thresholds.
    pub thresholds: usize,
    /// Opened bits `c` (none at the dealer).
    pub opened: Option<Buf>,
    /// The party's share of their masks `beta`, at the dealer the masks.
    pub masks: Buf,
}

impl Bits {
    /// The bit of element `e` for threshold `j` among the words of a buffer.
    pub fn at(&self, words: &[u32], j: usize, e: usize) -> u32 {
        words[e / 32 * self.thresholds + j] >> (e % 32) & 1
    }

    /// Words of a buffer.
    pub fn words(&self) -> usize {
        words(self.n, self.thresholds)
    }
}

/// Words of 32 bits for `n` elements and some thresholds.
fn words(n: usize, thresholds: usize) -> usize {
    n.div_ceil(32) * thresholds
}

/// Kernels take eight elements a thread.
pub(super) fn row(n: usize) -> usize {
    n.next_multiple_of(8)
}

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
    let sealed = Sealed::new(ctx, also)?;
    let messages = sealed.messages().into_iter().map(|(b, n)| (b.clone(), n)).collect();
    let (bits, theirs, _) = compare_beside(ctx, x, thresholds, window, messages, |_, _| Ok(vec![]))?;
    Ok((bits, sealed.finish(ctx, &theirs)?))
}

/// A party's message (the dealer has none), and its bytes.
pub(super) type Message = (Buf, u64);

/// As [`compare`], and exchanges messages in its first round, and in its last one those that `then` makes of the peer's
/// first ones. Returns the peer's of both.
pub(super) fn compare_beside(
    ctx: &mut Ctx,
    x: &Wire,
    thresholds: &[i64],
    window: Window,
    beside: Vec<Message>,
    then: impl FnOnce(&mut Ctx, &[Buf]) -> Result<Vec<Message>, Error>,
) -> Result<(Bits, Vec<Buf>, Vec<Buf>), Error> {
    let hi = window.hi;
    let (n, levels) = (row(x.n), thresholds.len());
    let digits = window.digits(n, levels);
    let groups = digits.groups;
    let (rows, party, keys) = (levels * groups, ctx.first(), ctx.keys());
    let leaves = deal_leaves(ctx, x, window, digits)?;
    let beta = ctx.rec.alloc(words(n, levels) * 4)?;
    let [m0, m1, m2] = ctx.mask_address();
    let masks = [m0, m1, m2];
    let (products, second) = if groups > 1 {
        let products = products(ctx, x, masks, rows, hi - 1, None)?;
        let next = ctx.mask_address();
        (products, Some((next, self::products(ctx, x, next, levels, hi - 1, Some(&beta))?)))
    } else {
        (products(ctx, x, masks, rows, hi - 1, Some(&beta))?, None)
    };
    let mut bits = Bits { n: x.n, thresholds: levels, opened: None, masks: beta };
    let (Some(leaves), Some(products)) = (leaves, products) else {
        then(ctx, &[])?;
        return Ok((bits, vec![], vec![]));
    };

    let (mut mine, signs) = leaf(ctx, x, thresholds, window, digits, &leaves, masks)?;
    let mut messages = vec![(&mine, (rows * n) as u64)];
    messages.extend(beside.iter().map(|(b, n)| (b, *n)));
    let mut first = ctx.exchange(&messages)?;
    let mut theirs = first.remove(0);
    let beside = then(ctx, &first)?;
    let (mut last_masks, mut last_products) = (masks, products);
    if let Some((next, p)) = second {
        let msg = ctx.rec.alloc(levels * n)?;
        let ([s0, s1, s2], [n0, n1, n2]) = (next, last_products.address());
        let mut read = vec![("keys", &keys), ("mine", &mine), ("theirs", &theirs), ("msg", &msg)];
        read.extend(last_products.packed("products"));
        ctx.rec.run(
            &last_products.kernel("compare_level").bits(24),
            args![n: n, groups: groups, levels: levels, first: party, m0: m0, m1: m1, m2: m2, s0: s0, s1: s1, s2: s2,
                n0: n0, n1: n1, n2: n2],
            &read,
            words(n, levels),
        )?;
        theirs = ctx.exchange(&[(&msg, (levels * n) as u64)])?.remove(0);
        mine = msg;
        (last_masks, last_products) = (next, p.expect("a party's share"));
    }
    let count = words(n, levels);
    let msg = ctx.rec.alloc(count * 4)?;
    let ([m0, m1, m2], [n0, n1, n2]) = (last_masks, last_products.address());
    let mut read = vec![("keys", &keys), ("mine", &mine), ("theirs", &theirs), ("signs", &signs), ("msg", &msg)];
    read.push(("beta", &bits.masks));
    read.extend(last_products.packed("products"));
    ctx.rec.run(
        &last_products.kernel("compare_final"),
        args![n: n, groups: groups, levels: levels, first: party, m0: m0, m1: m1, m2: m2, n0: n0, n1: n1, n2: n2],
        &read,
        count,
    )?;
    let mut messages = vec![(&msg, count as u64 * 4)];
    messages.extend(beside.iter().map(|(b, n)| (b, *n)));
    let mut last = ctx.exchange(&messages)?;
    let other = last.remove(0);
    let opened = ctx.rec.alloc(count * 4)?;
    ctx.rec.run(&Kernel::new("xor"), args![n: count], bufs![a: &msg, b: &other, out: &opened], count)?;
    bits.opened = Some(opened);
    Ok((bits, first, last))
}

/// Deals the one-hots of a window's digits.
pub(super) fn deal_leaves(
    ctx: &mut Ctx,
    x: &Wire,
    Window { lo, hi }: Window,
    Digits { leaves: (each, k), .. }: Digits,
) -> Result<Option<Dealt>, Error> {
    assert!(hi <= x.k && hi > lo + 1, "window {lo}..{hi} of a wire of {} bits", x.k);
    let (n, keys) = (row(x.n), ctx.keys());
    ctx.deal_packed(n * each, k, |ctx, [n0, n1, n2], msg| {
        let args = args![n: n, groups: each, lo: lo, hi: hi, n0: n0, n1: n1, n2: n2];
        let (kernel, threads) = (Kernel::new("compare_deal").bits(k), (n * each).div_ceil(elements_of_block(k)));
        Ok(ctx.rec.run(&kernel, args, bufs![keys: &keys, lam: &x.lam, msg: msg], threads)?)
    })
}

/// A party's masked bytes for thresholds and groups, and the signs of the differences.
pub(super) fn leaf(
    ctx: &mut Ctx,
    x: &Wire,
    thresholds: &[i64],
    Window { lo, hi }: Window,
    Digits { groups, leaves: (words_each, leaf_bits) }: Digits,
    leaves: &Dealt,
    [m0, m1, m2]: [u32; 3],
) -> Result<(Buf, Buf), Error> {
    // Dropping the low bits of delta and mask rounds the difference down or up, at random by its fraction: half a unit of
    // the window centres what may go wrong.
    let half = 1i64 << lo >> 1;
    let t: Vec<u64> = thresholds.iter().map(|t| (t + half) as u64).collect();
    let t = ctx.rec.upload_slice(&t)?;
    let (n, rows, first, keys) = (row(x.n), thresholds.len() * groups, ctx.first(), ctx.keys());
    let mine = ctx.rec.alloc(rows * n)?;
    let signs = ctx.rec.alloc(words(n, rows) * 4)?;
    let mut used = vec![("keys", &keys), ("delta", x.opened()), ("thresholds", &t), ("msg", &mine), ("signs", &signs)];
    if leaf_bits == 64 {
        // Every threshold reads them again.
        let hot = match leaves {
            Dealt::Stream(nonce) => ctx.stream(n * words_each, 64, 0, *nonce)?,
            Dealt::Packed(words) => words.clone(),
        };
        used.push(("hot", &hot));
        let args = args![n: n, rows: rows, lo: lo, hi: hi, first: first, m0: m0, m1: m1, m2: m2];
        let kernel = Kernel::new("compare_wide");
        let kernel = if words_each == TWO.leaves.0 { kernel.with("TWO") } else { kernel };
        ctx.rec.run(&kernel, args, &used, words(n, rows))?;
        return Ok((mine, signs));
    }
    let [n0, n1, n2] = leaves.address();
    used.extend(leaves.packed("leaves"));
    ctx.rec.run(
        &leaves.kernel("compare_leaf").bits(leaf_bits),
        args![n: n, groups: groups, rows: rows, lo: lo, hi: hi, first: first, m0: m0, m1: m1, m2: m2, n0: n0, n1: n1,
            n2: n2],
        &used,
        words(n, rows),
    )?;
    Ok((mine, signs))
}

/// Deals the products of the masks at an address, for `rows` rows; where the comparison's result is masked by them, also the
/// dealer's `beta`.
fn products(
    ctx: &mut Ctx,
    x: &Wire,
    [m0, m1, m2]: [u32; 3],
    rows: usize,
    sign: u32,
    beta: Option<&Buf>,
) -> Result<Option<Dealt>, Error> {
    let (n, k, keys) = (row(x.n), if beta.is_some() { 16 } else { 24 }, ctx.keys());
    ctx.deal_packed(rows * n, k, |ctx, [n0, n1, n2], msg| {
        let mut used = vec![("keys", &keys), ("lam", &x.lam), ("msg", msg)];
        used.extend(beta.map(|b| ("beta", b)));
        let args = args![n: n, rows: rows, sign: sign, n0: n0, n1: n1, n2: n2, m0: m0, m1: m1, m2: m2];
        Ok(ctx.rec.run(&Kernel::new("compare_products").bits(k), args, &used, words(n, rows))?)
    })
}

/// Cost of [`compare`]: online, each way, 1 byte per element, threshold and group of 16 window bits, a further byte for two
/// or more groups, and 1 bit (in whole groups of 32 elements); offline 60 bits per element and group (for windows of up to 13 bits
/// at most 28) plus 16 (24) bits per threshold and group;
/// 2 rounds, or 3 with several groups. For fewer than 1024 elements or more than 8 thresholds a window of 18 to 29 bits is one
/// group, with 512 bits per element. Elements count in whole groups of 8.
pub fn compare_cost(n: usize, thresholds: usize, window: Window) -> Cost {
    let n = row(n);
    let Digits { groups, leaves: (words_each, leaf_bits) } = window.digits(n, thresholds);
    let (instances, last) = (n * groups * thresholds, n * thresholds);
    let mut way = (instances + words(n, thresholds) * 4) as u64;
    let mut offline = packed_bytes(n * words_each, leaf_bits);
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
