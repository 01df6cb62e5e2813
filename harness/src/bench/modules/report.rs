//! The figures of `harness bench modules`. Every field is described in `docs/benchmarks.md`.

use serde::{Deserialize, Serialize};

use crate::bench::head::Head;
use crate::bench::report::Spread;

/// Name and version of the format.
pub const SCHEMA: &str = "masque.bench-modules/1";

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its format is [`SCHEMA`].
    #[serde(flatten)]
    pub head: Head,
    /// Folder or name of the model.
    pub model: String,
    /// Functions that stood in for SiLU, GeLU and exp.
    pub approx: String,
    /// Images whose evaluations are one batch; a guided UNet step takes two samples for each.
    pub count: usize,
    /// Timed evaluations for each link.
    pub repeat: usize,
    /// Whether the dealer computed before the parties.
    pub dealt_before: bool,
    /// One for each module.
    pub rows: Vec<Row>,
}

/// Figures of a module: one evaluation, times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub module: String,
    /// Extents of the result, channels last.
    pub shape: Vec<usize>,
    /// Numbers in its weights.
    pub parameters: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Sharing the weights, once a session.
    pub setup_s: f64,
    /// Bytes of that, all links.
    pub setup_bytes: u64,
    /// Online, at the slower party, without what both parties waited for.
    pub compute_s: Spread,
    /// Dealing, and sending the corrections over loopback.
    pub offline_s: Spread,
    /// Online by link.
    pub times: Vec<Timed>,
    /// Payload bytes client to server.
    pub to_server_bytes: u64,
    /// Payload bytes server to client.
    pub to_client_bytes: u64,
    /// Correction bytes dealer to server.
    pub offline_bytes: u64,
    /// Messages waited for one after another; one that goes one way is half of one.
    pub rounds: f64,
    /// Largest difference to the plaintext network with the same functions.
    pub max_error: f64,
    /// That, divided by the largest magnitude of the plaintext result.
    pub relative_error: f64,
}

/// Online time over a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// The link.
    pub link: String,
    /// From the inputs' shares to the result at the client, at the slower party.
    pub total_s: Spread,
}
