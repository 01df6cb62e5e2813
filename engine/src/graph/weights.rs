//! Where a graph's weights come from.

use super::Shape;

/// A weight as 32-bit floats, in the layout of its checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, slowest dimension first.
    pub shape: Shape,
    /// Elements in row-major order; as many as `shape` says.
    pub data: Vec<f32>,
}

/// Named weights. The engine reads each one when it needs it and keeps no reference to it.
pub trait WeightStore: Send + Sync {
    /// The tensor of that name.
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError>;

    /// SHA-256 that identifies the whole set of weights.
    fn digest(&self) -> [u8; 32];
}

/// Why weights could not be read, or are not the ones a graph expects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// The store as a whole is unreadable.
    #[error("{store}: {what}")]
    Store {
        /// File or other name of the store.
        store: String,
        /// What is wrong.
        what: String,
    },
    /// There is no tensor of that name.
    #[error("{store}: no tensor is called {tensor}")]
    Missing {
        /// File or other name of the store.
        store: String,
        /// Name asked for.
        tensor: String,
    },
    /// One tensor cannot be used.
    #[error("{store}: tensor {tensor} {what}")]
    Tensor {
        /// File or other name of the store.
        store: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong, as a predicate.
        what: String,
    },
    /// The store does not hold the weights a graph expects.
    #[error("{store} does not fit the model: {}", summary(problems))]
    Mismatch {
        /// File or other name of the store.
        store: String,
        /// All differences, one sentence each.
        problems: Vec<String>,
    },
}

/// The first few problems and the number of the others.
fn summary(problems: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut s = problems[..problems.len().min(SHOWN)].join("; ");
    if problems.len() > SHOWN {
        s += &format!("; and {} more", problems.len() - SHOWN);
    }
    s
}
