//! Network between client, server and dealer: ordered, addressed messages over blocking channels.
//!
//! A [`Channel`] joins two roles. Each message carries the [`Address`] of the protocol step it belongs to, and the
//! receiver names the address it expects: the schedule is static, so anything else is a fault of one of the roles and
//! is reported as such, never guessed around. Only the tiles of a node may be under way at once, each in its own order:
//! threads that work on different tiles share a channel, and each gets its own tile's messages.
//!
//! - [`pair`]: in one process, for tests and for the three roles as threads.
//! - [`connect`], [`Listener`]: TCP, with one reader and one writer thread per connection.
//! - [`shaped`]: any channel slowed down to a [`Link`].
//! - [`Intercept`]: any channel recorded, delayed or damaged.
//! - [`handshake()`]: the roles make sure that they run the same graph with the same settings before anything is sent.
//!
//! Every queue is bounded in bytes. A message longer than a queue is let through when that queue is empty, so two
//! peers may send each other messages of any size at once. A schedule that sends more than both queues hold before
//! the peer receives anything blocks in [`Channel::send`] and, after the stall time, ends as [`NetError::Blocked`].
//!
//! Frame on the wire, little endian: magic `MSQ1` (u32), eval (u32), node (u32), tile (u16), purpose (u16), payload
//! length (u64), payload. In-process channels count the same bytes as TCP.

mod endpoint;
mod error;
mod handshake;
mod intercept;
mod memory;
mod queue;
mod shaped;
mod tcp;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use error::NetError;
pub use handshake::{Hello, PROTOCOL_VERSION, Role, handshake, recv_setup, send_setup};
pub use intercept::{Delay, Intercept, Log, Received};
pub use memory::{pair, pair_with};
pub use shaped::{Link, shaped};
pub use tcp::{Listener, TcpOptions, connect};

/// Step address: which message of the schedule this is. The same address names a step in errors, counts and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Address {
    /// Evaluation of the graph within the session; `u32::MAX` is reserved for set-up.
    pub eval: u32,
    /// Graph node.
    pub node: u32,
    /// Tile of the node.
    pub tile: u16,
    /// Message within the tile.
    pub purpose: u16,
}

impl Address {
    /// Address of a set-up message, outside any evaluation. `u16::MAX` is taken by the handshake.
    pub const fn setup(step: u16) -> Self {
        Self { eval: u32::MAX, node: 0, tile: 0, purpose: step }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { eval, node, tile, purpose } = *self;
        if *self == Self::setup(u16::MAX) {
            f.write_str("handshake")
        } else if *self == Self::setup(purpose) {
            write!(f, "setup step {purpose}")
        } else {
            write!(f, "eval {eval} / node {node} / tile {tile} / purpose {purpose}")
        }
    }
}

/// What went over a channel so far, as seen by the caller: counted when `send` accepts and when `recv` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Payload bytes sent.
    pub sent_payload: u64,
    /// Frame bytes sent: payload and headers.
    pub sent_wire: u64,
    /// Messages sent.
    pub sent_messages: u64,
    /// Payload bytes received.
    pub received_payload: u64,
    /// Frame bytes received: payload and headers.
    pub received_wire: u64,
    /// Messages received.
    pub received_messages: u64,
    /// Time spent in `recv`, waiting for the peer and the link.
    pub waiting: Duration,
    /// Time spent in `send` and `flush`, waiting for room in the queues.
    pub blocked: Duration,
}

impl Counters {
    /// What was added since `earlier`, a previous reading of the same channel.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            sent_payload: self.sent_payload - earlier.sent_payload,
            sent_wire: self.sent_wire - earlier.sent_wire,
            sent_messages: self.sent_messages - earlier.sent_messages,
            received_payload: self.received_payload - earlier.received_payload,
            received_wire: self.received_wire - earlier.received_wire,
            received_messages: self.received_messages - earlier.received_messages,
            waiting: self.waiting - earlier.waiting,
            blocked: self.blocked - earlier.blocked,
        }
    }
}

/// One end of an ordered, reliable, two-way message channel between two roles.
///
/// The first error a channel returns is the one it returns ever after. Dropping a channel flushes it; the peer then
/// still receives everything sent before, followed by [`NetError::Closed`].
///
/// Several threads may use a channel at once; none waits for what another one waits for.
pub trait Channel: Send + Sync {
    /// Queues a message. Waits only while the queue is full.
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError>;

    /// The tile's next message; its address must be `at`. Messages of the same node's other tiles (0 is none) that come
    /// before are kept for whoever asks for them, outside the queue's bound; any other message is an error.
    fn recv(&self, at: Address) -> Result<Vec<u8>, NetError>;

    /// Waits until all queued messages were handed to the operating system (in process the peer has them already).
    fn flush(&self) -> Result<(), NetError>;

    /// Traffic so far.
    fn counters(&self) -> Counters;

    /// Role at the other end: `client`, `server` or `dealer`.
    fn peer(&self) -> &str;

    /// From now on, makes outgoing messages arrive as they would over `link`. See [`shaped`].
    fn shape(&self, link: Link);
}

impl<C: Channel + ?Sized> Channel for Box<C> {
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        (**self).send(at, payload)
    }

    fn recv(&self, at: Address) -> Result<Vec<u8>, NetError> {
        (**self).recv(at)
    }

    fn flush(&self) -> Result<(), NetError> {
        (**self).flush()
    }

    fn counters(&self) -> Counters {
        (**self).counters()
    }

    fn peer(&self) -> &str {
        (**self).peer()
    }

    fn shape(&self, link: Link) {
        (**self).shape(link);
    }
}
