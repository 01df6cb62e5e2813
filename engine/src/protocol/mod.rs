//! How things are computed on shares: one file per protocol, written once for all three roles.
//!
//! A protocol receives a [`Ctx`] and never a socket. Client and server hold a [`Share`] or [`Wire`]; the dealer runs the
//! same code with masks only. Every protocol states its cost as a function beside it; a test compares that with the bytes
//! that were sent.

mod activation;
mod attention;
mod compare;
mod conv;
mod copy;
mod cost;
mod ctx;
mod dealt;
mod held;
mod inverse;
mod lanes;
mod linear;
mod local;
mod masks;
mod matmul;
mod maximum;
mod multiply;
mod norm;
mod observed;
mod open;
mod pieces;
mod piecewise;
mod polynomials;
mod quartic;
mod reduce;
mod row_softmax;
mod softmax;
mod wire;

pub use crate::net::Role;
pub use activation::{activation, activation_cost};
pub(crate) use attention::VALUES;
pub use attention::{ATTENTION_TILE, AttentionShape, attention, attention_cost};
pub use compare::{Bits, Window, compare, compare_cost};
pub use conv::{conv2d, conv2d_cost};
pub use copy::{concat, repeat_rows, slice, upsample};
pub use cost::{Cost, packed_bytes};
pub use ctx::{Ctx, Links};
pub use held::{FixedWeights, ServerWeights, Source};
pub use inverse::{Octaves, inverse, inverse_cost};
pub use lanes::LANES;
pub use linear::{Layer, Masked, linear, linear_cost, linear_masked, masked, share_source, share_weights};
pub use local::{Map, add, add_public, scale, truncate};
pub use masks::Recall;
pub use matmul::{MatmulShape, matmul, matmul_cost};
pub use maximum::{Maxima, maximum, maximum_cost};
pub use multiply::{multiply, multiply_cost, square_sums};
pub use norm::{NormShape, factor_fraction, normalise, normalise_cost, settle};
pub use observed::Watch;
pub use open::{lift, lift_cost, open, open_all, open_cost};
pub use piecewise::{Segment, Table, piecewise, piecewise_cost, polynomial};
pub use reduce::{Groups, reduce};
pub use row_softmax::{RowMaximum, RowSoftmax, row_softmax, row_softmax_cost};
pub use softmax::{SoftmaxSpec, WEIGHT_FRACTION, WEIGHT_RING, exponential, exponential_cost};

use crate::gpu::{Buf, GpuError};
use crate::net::{Address, NetError};

/// Why a protocol stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// A peer.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A peer sent a message of the wrong size.
    #[error("at {at}: a message of {got} bytes where {expected} were due; do all roles run the same version?")]
    Length {
        /// Step.
        at: Address,
        /// Bytes due.
        expected: u64,
        /// Bytes received.
        got: u64,
    },
    /// Who watches the role stopped it.
    #[error("{0}")]
    Stopped(String),
    /// The fixed-point plan cannot hold a value.
    #[error("fixed-point range: {0}")]
    Range(String),
    /// The server's weights could not be read.
    #[error(transparent)]
    Weights(Box<dyn std::error::Error + Send + Sync>),
}

/// An additive share `x = x0 + x1 mod 2^k` of `n` values with `f` fraction bits. The dealer's holds nothing.
///
/// Words may carry garbage above bit `k`.
#[derive(Clone, Debug)]
pub struct Share {
    /// Elements.
    pub n: usize,
    /// Ring bits.
    pub k: u32,
    /// Fraction bits.
    pub f: u32,
    /// This party's words.
    pub buf: Option<Buf>,
}

impl Share {
    /// This party's words.
    ///
    /// # Panics
    /// At the dealer, which must not be asked: a bug in this repository.
    pub fn words(&self) -> &Buf {
        self.buf.as_ref().expect("a party's share")
    }

    /// The same value in a smaller ring: local and exact.
    pub fn reduced(&self, k: u32) -> Share {
        assert!(k <= self.k, "a ring of {} bits cannot become {k}", self.k);
        Share { k, ..self.clone() }
    }
}

/// A masked wire: both parties know `delta = x + lambda mod 2^k`, each holds a share of `lambda`, the dealer knows it.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Elements.
    pub n: usize,
    /// Ring bits.
    pub k: u32,
    /// Fraction bits.
    pub f: u32,
    /// The opened words (none at the dealer).
    pub delta: Option<Buf>,
    /// A party's share of the mask; at the dealer the exact sum of both, modulo 2^64, also what exceeds k bits. `fresh` says
    /// whether each share is below 2^k.
    pub lam: Buf,
    /// Whether the wire comes straight from an opening: only then can it be lifted.
    pub fresh: bool,
}

impl Wire {
    /// The opened words.
    ///
    /// # Panics
    /// At the dealer: a bug in this repository.
    pub fn opened(&self) -> &Buf {
        self.delta.as_ref().expect("a party's wire")
    }
}
