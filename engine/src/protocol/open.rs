//! Opening a share to a masked wire, and lifting a wire to a larger ring. Source: protocol.md section 3.

use super::compare::row;
use super::{Cost, Ctx, Error, Share, Wire, packed_bytes};
use crate::gpu::{Buf, Kernel};
use crate::{args, streams};

/// Opens one share. See [`open_all`].
pub fn open(ctx: &mut Ctx, x: &Share, shift: u32, k: u32) -> Result<Wire, Error> {
    Ok(open_all(ctx, &[(x, shift, k)])?.remove(0))
}

/// Opens shares in one round: `delta = (x >> shift) + lambda mod 2^k`, truncation fused.
///
/// * Before: additive shares in Z_2^k'. After: masked wires in Z_2^k, `k <= k' - shift`, `f' - shift` fraction bits.
/// * Error: within one unit of the last place, mean 0, standard deviation 0.41 units; no wrap failure at any value.
/// * Cost: `k` bits an element each way, 1 round for all, nothing offline.
pub fn open_all(ctx: &mut Ctx, what: &[(&Share, u32, u32)]) -> Result<Vec<Wire>, Error> {
    let sealed = Sealed::new(ctx, what)?;
    let theirs = if ctx.is_party() { ctx.exchange(&sealed.messages())? } else { vec![] };
    sealed.finish(ctx, &theirs)
}

/// Shares on their way to wires: what an opening sends is ready, and may share a round with other messages.
pub(super) struct Sealed {
    wires: Vec<Wire>,
    messages: Vec<Buf>,
}

impl Sealed {
    /// Masks and packs shares, each with the bits to cut and the ring to open in.
    pub(super) fn new(ctx: &mut Ctx, what: &[(&Share, u32, u32)]) -> Result<Self, Error> {
        let mut sealed = Self { wires: Vec::with_capacity(what.len()), messages: vec![] };
        for (x, shift, k) in what {
            assert!(k + shift <= x.k, "a share of {} bits cut by {shift} cannot be opened in {k}", x.k);
            let lam = if ctx.is_party() {
                let (lam, msg) = ctx.seal(x.words(), x.n, x.k, *shift, *k, false)?;
                sealed.messages.push(msg);
                lam
            } else {
                ctx.mask(x.n, *k)?
            };
            let f = x.f.saturating_sub(*shift);
            sealed.wires.push(Wire { n: x.n, k: *k, f, delta: None, lam, fresh: true });
        }
        Ok(sealed)
    }

    /// A wire whose own message is ready (the dealer has none).
    pub(super) fn ready(wire: Wire, message: Option<Buf>) -> Self {
        Self { wires: vec![wire], messages: message.into_iter().collect() }
    }

    /// Exchanges the messages, in a round of their own; for one wire.
    pub(super) fn open(self, ctx: &mut Ctx) -> Result<Wire, Error> {
        let theirs = if ctx.is_party() { ctx.exchange(&self.messages())? } else { vec![] };
        Ok(self.finish(ctx, &theirs)?.remove(0))
    }

    /// What a party sends, in order (nothing at the dealer).
    pub(super) fn messages(&self) -> Vec<(&Buf, u64)> {
        self.messages.iter().zip(&self.wires).map(|(m, w)| (m, packed_bytes(w.n, w.k))).collect()
    }

    /// The wires, given the peer's messages in the same order.
    pub(super) fn finish(mut self, ctx: &mut Ctx, theirs: &[Buf]) -> Result<Vec<Wire>, Error> {
        for ((w, mine), other) in self.wires.iter_mut().zip(&self.messages).zip(theirs) {
            w.delta = Some(ctx.unpack_sum(mine, other, w.n, w.k)?);
        }
        Ok(self.wires)
    }
}

/// Cost of [`open_all`] for elements and rings.
pub fn open_cost(what: &[(usize, u32)]) -> Cost {
    let bytes = what.iter().map(|(n, k)| packed_bytes(*n, *k)).sum();
    Cost { to_server: bytes, to_client: bytes, offline: 0, half_rounds: 2 }
}

/// Bits in which what lies above a ring of `k` bits is dealt for one of `to`.
pub(super) fn carry_bits(k: u32, to: u32) -> u32 {
    (to - k).next_multiple_of(4)
}

/// Share of a wire's signed value in a larger ring Z_2^to.
///
/// * Needs `|x| < 2^(k-2)` and a fresh wire. Exact.
/// * Cost: 0 online, `2 (to - k)` bits an element offline (rounded up to multiples of 4), 0 rounds. Elements count in whole
///   groups of 8.
pub fn lift(ctx: &mut Ctx, w: &Wire, to: u32) -> Result<Share, Error> {
    assert!(w.fresh && w.k < to, "a fresh wire of fewer than {to} bits");
    let (bits, keys, sixteens) = (carry_bits(w.k, to), ctx.keys(), (w.n, 16));
    let each = 4 * bits as usize;
    let dealt = ctx.deal_packed(2 * row(w.n), bits, |ctx, [n0, n1, n2], msg| {
        let args = args![k: w.k, n0: n0, n1: n1, n2: n2];
        let streams = streams![keys: &keys => 0, lam: &w.lam => 128, msg: msg => each];
        Ok(ctx.rec.run_each(&Kernel::new("lift_deal").bits(bits), args, streams, sixteens)?)
    })?;
    let buf = match dealt {
        Some(dealt) => {
            let (out, [n0, n1, n2]) = (ctx.rec.words(w.n)?, dealt.address());
            let mut streams = streams![delta: w.opened() => 128, lam: &w.lam => 128, out: &out => 128].to_vec();
            streams.push(match dealt.packed("dealt") {
                Some((name, msg)) => (name, msg, each),
                None => ("keys", &keys, 0),
            });
            let args = args![k: w.k, n0: n0, n1: n1, n2: n2];
            ctx.rec.run_each(&dealt.kernel("lift").bits(bits), args, &streams, sixteens)?;
            Some(out)
        }
        None => None,
    };
    Ok(Share { n: w.n, k: to, f: w.f, buf })
}

/// Cost of [`lift`].
pub fn lift_cost(n: usize, k: u32, to: u32) -> Cost {
    Cost { offline: packed_bytes(2 * row(n), carry_bits(k, to)), ..Cost::default() }
}
