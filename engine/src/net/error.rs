//! What can go wrong between two roles, each with the peer, the step and what to do about it.

use std::io;
use std::time::Duration;

use super::Address;

/// Failure of a channel, of making one, or of a handshake. Never contains a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum NetError {
    /// The next message belongs to another step.
    #[error(
        "expected {expected} from {peer} but got {got}: the two roles run different schedules, use the same build and \
         model on both"
    )]
    Address { peer: String, expected: Address, got: Address },
    /// The peer ended the connection between two messages.
    #[error("{peer} closed the connection while we were at {at}: it failed or finished first, see its own output")]
    Closed { peer: String, at: Address },
    /// The peer ended the connection within a message.
    #[error(
        "{peer} closed the connection after {got} of {expected} bytes of a message while we were at {at}: it was \
         stopped or crashed, see its own output"
    )]
    Truncated { peer: String, at: Address, got: u64, expected: u64 },
    /// What arrived is not a frame of this protocol.
    #[error(
        "{peer} sent {found:#010x} where a frame should start while we were at {at}: check that its address and port \
         belong to a Masque role of this version"
    )]
    Magic { peer: String, at: Address, found: u32 },
    /// A message is over the limit, in either direction.
    #[error(
        "a message of {bytes} bytes exchanged with {peer} at {at} is over the limit of {limit}: use smaller tiles or \
         raise max_frame on both sides"
    )]
    TooLong { peer: String, at: Address, bytes: u64, limit: u64 },
    /// Nothing arrived for the stall time.
    #[error(
        "nothing arrived from {peer} for {waited:?} while we waited for {at}: check that it still runs and is \
         reachable, or raise the stall time if it only is slow"
    )]
    Stall { peer: String, at: Address, waited: Duration },
    /// Nothing could be sent for the stall time.
    #[error(
        "{peer} took nothing from us for {waited:?} while we were sending {at}: check that it still runs, raise the \
         stall time if it only is slow, or queue_bytes if both sides send"
    )]
    Blocked { peer: String, at: Address, waited: Duration },
    /// The operating system reported something else.
    #[error(
        "the connection to {peer} failed at {at}: {cause}; check the network between the hosts and start both roles \
         again"
    )]
    Io { peer: String, at: Address, cause: String },
    /// No connection could be made.
    #[error(
        "cannot connect to {peer} at {addr} within {waited:?}: {cause}; check that it is started and that the address \
         and firewall are right"
    )]
    Connect { peer: String, addr: String, waited: Duration, cause: String },
    /// The listening port could not be opened.
    #[error("cannot listen at {addr}: {cause}; choose a free port and an address of this host")]
    Bind { addr: String, cause: String },
    /// Nobody connected.
    #[error("{peer} did not connect to {addr}: {cause}; check that it is started and was given this address")]
    Accept { peer: String, addr: String, cause: String },
    /// The first message is not a greeting.
    #[error("the handshake with {peer} failed because {what}: check that both sides run the same build")]
    Hello { peer: String, what: String },
    /// Different protocol versions.
    #[error("{peer} speaks protocol version {theirs} and we speak {mine}: use the same build on both sides")]
    Version { peer: String, mine: u32, theirs: u32 },
    /// Another role answered.
    #[error("expected the {expected} but {peer} says it is the {got}: check the addresses given to the roles")]
    Role { peer: String, expected: super::Role, got: super::Role },
    /// Different sessions, or none.
    #[error(
        "{peer} is in session {theirs} and we are in {mine}: start all three roles again so that they join one \
         session (all zero means none chosen)"
    )]
    Session { peer: String, mine: String, theirs: String },
    /// Different settings.
    #[error("setting {key} is {mine} here but {theirs} at {peer}: give both roles the same value")]
    Setting { peer: String, key: String, mine: String, theirs: String },
    /// Different graphs or plans, although the settings agree.
    #[error(
        "{peer} has another graph or fixed-point plan (fingerprint {theirs}) than we have ({mine}): use the same \
         model and build on both sides"
    )]
    Fingerprint { peer: String, mine: String, theirs: String },
    /// Not the description of a link.
    #[error("{text:?} is not a link: write loopback, lan, wan, or bandwidth and round trip such as 400mbit,4ms")]
    Link { text: String },
}

/// Why a connection ended, before it is known which step of which role notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Closed,
    Truncated { got: u64, expected: u64 },
    Magic(u32),
    TooLong { bytes: u64, limit: u64 },
    Io(String),
}

impl Fault {
    /// Error for the role that was at `at` when it noticed.
    pub(super) fn noticed(self, peer: &str, at: Address) -> NetError {
        let peer = peer.to_owned();
        match self {
            Self::Closed => NetError::Closed { peer, at },
            Self::Truncated { got, expected } => NetError::Truncated { peer, at, got, expected },
            Self::Magic(found) => NetError::Magic { peer, at, found },
            Self::TooLong { bytes, limit } => NetError::TooLong { peer, at, bytes, limit },
            Self::Io(cause) => NetError::Io { peer, at, cause },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        use io::ErrorKind::*;
        match e.kind() {
            BrokenPipe | ConnectionReset | ConnectionAborted | NotConnected | UnexpectedEof | WriteZero => Self::Closed,
            _ => Self::Io(e.to_string()),
        }
    }
}
