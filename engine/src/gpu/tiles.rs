//! How wide the panels of matrix products are, where that was measured.

use serde::{Deserialize, Serialize};

/// Columns of a panel for each format of the right-hand side; `None` where the built-in rule decides. Results do not depend on
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tiles {
    /// `f32`.
    pub f32: Option<u8>,
    /// Words of Z_2^64.
    pub ring: Option<u8>,
    /// Words that are integers of 32 bits.
    pub i32: Option<u8>,
    /// Words that are integers of 16 bits.
    pub i16: Option<u8>,
}
