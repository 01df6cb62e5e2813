//! Masks in memory: streams drawn at fresh addresses, and again at those of kernels that draw for themselves.

use super::{Ctx, Error, Role};
use crate::correlated::elements_of_block;
use crate::gpu::{Buf, Kernel};
use crate::{args, streams};

/// Where a stream begins that is drawn again whenever it is needed, instead of being kept.
#[derive(Clone, Copy, Debug)]
pub struct Recall {
    key: u32,
    nonce: [u32; 3],
}

impl Ctx {
    /// Random words: the party's own stream, or at the dealer the sum of both (not reduced mod 2^k).
    pub fn mask(&mut self, n: usize, k: u32) -> Result<Buf, Error> {
        let nonce = self.mask_address();
        self.mask_at(nonce, n, k)
    }

    /// The masks of [`Ctx::mask`] under an address whose masks a kernel has drawn itself: the same words again.
    pub(super) fn mask_at(&mut self, nonce: [u32; 3], n: usize, k: u32) -> Result<Buf, Error> {
        let kernel = Kernel::new("prg");
        let kernel = if self.role == Role::Dealer { kernel.with("BOTH") } else { kernel };
        let key = u32::from(self.role == Role::Server);
        let out = self.rec.words(n)?;
        self.stream_to(&kernel, n, k, key, nonce, &out)?;
        Ok(out)
    }

    /// At the dealer: the sum of both parties' masks of [`Ctx::mask_at`], each without its lowest `shift` bits.
    pub(super) fn mask_without(&mut self, nonce: [u32; 3], (n, k): (usize, u32), shift: u32) -> Result<Buf, Error> {
        let ([n0, n1, n2], out, keys, per) = (nonce, self.rec.words(n)?, self.keys(), elements_of_block(k));
        self.rec.run_each(
            &Kernel::new("prg").with("BOTH").with("SHIFTED").bits(k),
            args![k: k, key: 0u32, n0: n0, n1: n1, n2: n2, shift: shift],
            streams![keys: &keys => 0, out: &out => 8 * per],
            (n, per),
        )?;
        Ok(out)
    }

    /// The stream of one party alone: that party and the dealer get it, the other gets nothing.
    pub fn one_sided(&mut self, owner: Role, n: usize, k: u32) -> Result<Option<Buf>, Error> {
        let nonce = self.mask_address();
        if self.role != owner && self.role != Role::Dealer {
            return Ok(None);
        }
        self.stream(n, k, u32::from(owner == Role::Server), nonce).map(Some)
    }

    /// The address of a stream of one party alone, for [`Ctx::recall`].
    pub fn one_sided_address(&mut self, owner: Role) -> Recall {
        Recall { key: u32::from(owner == Role::Server), nonce: self.mask_address() }
    }

    /// The first words of a stream, as often as wanted: the same words each time, so they may only ever mask the same
    /// values. For owner and dealer.
    pub fn recall(&mut self, at: &Recall, k: u32, out: &Buf) -> Result<(), Error> {
        self.stream_to(&Kernel::new("prg"), out.bytes() as usize / 8, k, at.key, at.nonce, out)
    }

    /// Words of one key's stream at an address.
    pub(super) fn stream(&mut self, n: usize, k: u32, key: u32, nonce: [u32; 3]) -> Result<Buf, Error> {
        let out = self.rec.words(n)?;
        self.stream_to(&Kernel::new("prg"), n, k, key, nonce, &out)?;
        Ok(out)
    }

    fn stream_to(
        &mut self,
        kernel: &Kernel,
        n: usize,
        k: u32,
        key: u32,
        nonce: [u32; 3],
        out: &Buf,
    ) -> Result<(), Error> {
        let [n0, n1, n2] = nonce;
        let keys = self.keys();
        let per = elements_of_block(k);
        self.rec.run_each(
            &kernel.clone().bits(k),
            args![k: k, key: key, n0: n0, n1: n1, n2: n2],
            streams![keys: &keys => 0, out: out => 8 * per],
            (n, per),
        )?;
        Ok(())
    }
}
