//! What parties hold of a dealt value before a kernel reads it, and how it leaves the dealer.

use crate::gpu::{Buf, GpuError, Kernel, Readback, Recorder};
use crate::net::Address;

/// A party's share of what was dealt, for kernels that draw or unpack it where they use it.
#[derive(Clone, Debug)]
pub(super) enum Dealt {
    /// The client's: its own stream at this address.
    Stream([u32; 3]),
    /// The server's: the dealer's message.
    Packed(Buf),
}

impl Dealt {
    /// The address of the client's stream; whatever it is, at the server no kernel reads it.
    pub(super) fn address(&self) -> [u32; 3] {
        match self {
            Dealt::Stream(nonce) => *nonce,
            Dealt::Packed(_) => [0; 3],
        }
    }

    /// The server's message, under the name that a kernel has for it.
    pub(super) fn packed<'a>(&'a self, name: &'static str) -> Option<(&'static str, &'a Buf)> {
        match self {
            Dealt::Stream(_) => None,
            Dealt::Packed(msg) => Some((name, msg)),
        }
    }

    /// A kernel for the party that has this.
    pub(super) fn kernel(&self, file: &'static str) -> Kernel {
        Kernel::new(file).with(if matches!(self, Dealt::Stream(_)) { "CLIENT" } else { "SERVER" })
    }
}

/// Messages are brought from the dealer's device when there are about this many bytes, or so many messages.
const BYTES: usize = 4 << 20;
const MESSAGES: usize = 64;

/// The dealer's messages on their way: while the host sends some, the device brings the next ones and works on others.
#[derive(Default)]
pub(super) struct Outbox {
    made: Vec<(Address, Buf, usize)>,
    bytes: usize,
    leaving: Option<(Vec<Address>, Readback)>,
}

impl Outbox {
    /// One more message, of so many bytes.
    pub(super) fn add(&mut self, at: Address, msg: Buf, bytes: usize) {
        self.bytes += bytes;
        self.made.push((at, msg, bytes));
    }

    /// Whether it is time for [`Outbox::turn`].
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES || self.made.len() >= MESSAGES
    }

    /// Has the device bring what was made since the last call, and returns what that one had it bring.
    pub(super) fn turn(&mut self, rec: &mut Recorder) -> Result<Vec<(Address, Vec<u8>)>, GpuError> {
        let made = std::mem::take(&mut self.made);
        self.bytes = 0;
        let next = if made.is_empty() {
            None
        } else {
            let what: Vec<(&Buf, usize)> = made.iter().map(|(_, msg, n)| (msg, *n)).collect();
            let back = rec.bring(&what)?;
            Some((made.iter().map(|(at, ..)| *at).collect(), back))
        };
        match std::mem::replace(&mut self.leaving, next) {
            Some((at, back)) => Ok(at.into_iter().zip(rec.brought(back)?).collect()),
            None => Ok(vec![]),
        }
    }
}
