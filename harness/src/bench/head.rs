//! What the reports of all benches begin with.

use serde::{Deserialize, Serialize};

use crate::report::Adapter;

/// How figures were made, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Name and version of the format.
    pub schema: String,
    /// The flags it was made with.
    pub command: String,
    /// The adapter that all roles computed on.
    pub adapter: Adapter,
    /// Processor cores of the machine.
    pub cores: usize,
}

impl Head {
    /// Of this process, on this adapter.
    pub fn new(schema: &str, adapter: Adapter) -> Self {
        let flags: Vec<String> = std::env::args().skip(1).collect();
        Self {
            schema: schema.into(),
            command: format!("harness {}", flags.join(" ")),
            adapter,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
