//! Why a model cannot be used.

use masque_engine::graph::{GraphError, WeightError};

/// Everything that can be wrong with a model's files, or with what is asked of the model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    Read {
        /// Path of the file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not JSON of the expected form.
    #[error("{file}: {what}")]
    Json {
        /// Path of the file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A field is missing, malformed, or asks for something that is not supported.
    #[error("{file}: {field}: {what}")]
    Field {
        /// Path of the file.
        file: String,
        /// Name of the field.
        field: String,
        /// What is wrong with its value.
        what: String,
    },
    /// The weights cannot be read or do not fit.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The network's layers do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The caller asks for something the model cannot do.
    #[error("{0}")]
    Request(String),
}
