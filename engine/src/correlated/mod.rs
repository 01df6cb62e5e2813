//! Correlated randomness: keys, and the addresses under which streams are drawn.
//!
//! Every mask is a ChaCha stream (12 rounds) under a key that the dealer shares with one party. The nonce is the step
//! address (evaluation, node, tile and purpose), the counter the position in the tensor, so any tile can be produced in
//! any order and no two values ever share a mask. Keys are new for every session and attempt; a resumed run therefore
//! never repeats a stream.

use sha2::{Digest, Sha256};

/// 256 bits that only the dealer and one party know.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// A key from the operating system's randomness.
    pub fn random() -> std::io::Result<Self> {
        let mut k = [0; 32];
        getrandom::fill(&mut k).map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(Self(k))
    }

    /// A key everybody can compute, for comparing runs bit for bit. Insecure by construction.
    pub fn for_tests(seed: u64, party: u8) -> Self {
        let mut h = Sha256::new();
        h.update(b"masque test key");
        h.update(seed.to_le_bytes());
        h.update([party]);
        Self(h.finalize().into())
    }

    /// As little-endian words, the order in which the shaders read it.
    pub fn words(&self) -> [u32; 8] {
        std::array::from_fn(|i| u32::from_le_bytes(std::array::from_fn(|j| self.0[4 * i + j])))
    }
}

/// Elements of `k` bits that one block of a stream holds: each takes 16, 32 or 64 bits of it, as few as it needs.
pub fn elements_of_block(k: u32) -> usize {
    match k {
        0..=16 => 32,
        17..=32 => 16,
        _ => 8,
    }
}

/// Where in a run a stream is drawn or a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// Counts runs of graphs in a session.
    pub eval: u32,
    /// Node of the graph.
    pub node: u32,
    /// Tile of the node.
    pub tile: u16,
}
