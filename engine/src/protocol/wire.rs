//! Ring words in the wire format and back: `k` bits an element.

use super::{Ctx, Error};
use crate::gpu::{Buf, Kernel};
use crate::{args, streams};

impl Ctx {
    /// Packs words that need no mask (they are uniform already).
    pub fn pack(&mut self, x: &Buf, n: usize, k: u32) -> Result<Buf, Error> {
        self.pack_without(x, n, k, 0)
    }

    /// As [`Ctx::pack`], without the words' lowest `shift` bits.
    pub(super) fn pack_without(&mut self, x: &Buf, n: usize, k: u32, shift: u32) -> Result<Buf, Error> {
        let msg = self.packed(n, k)?;
        let streams = streams![x: x => 64, msg: &msg => k as usize];
        self.rec.run_each(&Kernel::new("pack").bits(k), args![k: k, shift: shift], streams, (n, 8))?;
        Ok(msg)
    }

    /// The words of a message as they are on the wire.
    pub fn unpack(&mut self, msg: &Buf, n: usize, k: u32) -> Result<Buf, Error> {
        let out = self.rec.words(n)?;
        self.unpack_to(msg, n, k, &out)?;
        Ok(out)
    }

    /// As [`Ctx::unpack`], into memory that is there.
    pub fn unpack_to(&mut self, msg: &Buf, n: usize, k: u32, out: &Buf) -> Result<(), Error> {
        let streams = streams![a: msg => k as usize, out: out => 64];
        Ok(self.rec.run_each(&Kernel::new("unpack").bits(k), args![k: k], streams, (n, 8))?)
    }

    /// The sum of a message's words and words held here, not reduced.
    pub fn unpack_plus(&mut self, msg: &Buf, x: &Buf, n: usize, k: u32) -> Result<Buf, Error> {
        let out = self.rec.words(n)?;
        let streams = streams![a: msg => k as usize, x: x => 64, out: &out => 64];
        self.rec.run_each(&Kernel::new("unpack").with("PLUS").bits(k), args![k: k], streams, (n, 8))?;
        Ok(out)
    }

    /// Memory for a packed message.
    pub fn packed(&self, n: usize, k: u32) -> Result<Buf, Error> {
        assert!(k.is_multiple_of(4) && k <= 64, "wire rings have a multiple of 4 bits, got {k}");
        Ok(self.rec.alloc(n.div_ceil(8) * k as usize)?)
    }

    /// The sum of two messages' words mod 2^k: what an opening makes public.
    pub fn unpack_sum(&mut self, a: &Buf, b: &Buf, n: usize, k: u32) -> Result<Buf, Error> {
        let out = self.rec.words(n)?;
        let streams = streams![a: a => k as usize, b: b => k as usize, out: &out => 64];
        self.rec.run_each(&Kernel::new("unpack").with("SUM").bits(k), args![k: k], streams, (n, 8))?;
        Ok(out)
    }
}
