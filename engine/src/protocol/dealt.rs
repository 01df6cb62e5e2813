//! What parties hold of a dealt value before a kernel reads it.

use crate::gpu::{Buf, Kernel};

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
