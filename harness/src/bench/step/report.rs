//! The figures of `harness bench step`. Every field is described in `docs/benchmarks.md`.

use serde::{Deserialize, Serialize};

use crate::bench::head::Head;

/// Name and version of the format.
pub const SCHEMA: &str = "masque.bench-step/1";

/// Largest error that a result may have, of the tensor's scale. Any value beyond it is called destroyed.
pub const LARGEST_ERROR: f64 = 0.05;

/// Everything that was measured of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its format is [`SCHEMA`].
    #[serde(flatten)]
    pub head: Head,
    /// Folder or name of the model.
    pub model: String,
    /// What was evaluated.
    pub module: String,
    /// Extents of the result, channels last.
    pub shape: Vec<usize>,
    /// Samples evaluated together.
    pub batch: usize,
    /// Functions that stood in for SiLU, GeLU and exp.
    pub approx: String,
    /// How attention found the maxima of its rows: `secure` or `revealed`.
    pub maximum: String,
    /// What was revealed beyond the protocol's default.
    pub leaks: Vec<String>,
    /// Link between client and server.
    pub link: String,
    /// Numbers in the weights.
    pub parameters: u64,
    /// Seconds of sharing the weights, once a session.
    pub setup_s: f64,
    /// Bytes of that, all links.
    pub setup_bytes: u64,
    /// Seconds from the inputs' shares to the result at the client, at the slower party, dealt meanwhile.
    pub wall_s: f64,
    /// Layers by their kind.
    pub kinds: Vec<Row>,
    /// All of them.
    pub total: Row,
    /// Client, server, dealer.
    pub roles: Vec<RoleFigures>,
    /// Most resident memory of the process, plaintext run and set-up included.
    pub peak_rss_bytes: u64,
    /// The time for roles on hosts of their own.
    pub estimates: Vec<Estimate>,
    /// Largest difference to the plaintext network with the same functions.
    pub max_error: f64,
    /// That, divided by the largest magnitude of the plaintext result.
    pub relative_error: f64,
    /// Values that are further off than [`LARGEST_ERROR`], or no numbers.
    pub destroyed: usize,
    /// What the paper states of the module.
    pub paper: Option<Paper>,
}

/// Figures of the layers of one kind. Seconds of a role are work of its device, as its own clock tells where it has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What they are.
    pub kind: String,
    /// Their number.
    pub layers: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Elements that non-linear functions were evaluated on.
    pub elements: u64,
    /// Work of the client's device.
    pub client_s: f64,
    /// Work of the server's device.
    pub server_s: f64,
    /// Work of the dealer's device.
    pub dealer_s: f64,
    /// What the client waited for link and server.
    pub waited_s: f64,
    /// Payload bytes client to server.
    pub to_server_bytes: u64,
    /// Payload bytes server to client.
    pub to_client_bytes: u64,
    /// Correction bytes dealer to server.
    pub offline_bytes: u64,
    /// Messages waited for one after another; one that goes one way is half of one.
    pub rounds: f64,
}

/// Figures of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleFigures {
    /// Its name.
    pub role: String,
    /// Seconds from its start to its end.
    pub total_s: f64,
    /// Of that, waiting for messages, or for room to send them.
    pub waited_s: f64,
    /// Work of its device.
    pub device_s: f64,
    /// That, as a part of the wall time.
    pub device_busy: f64,
    /// Most bytes of its device buffers at a time, set-up included.
    pub peak_device_bytes: u64,
}

/// Time over a link between hosts, computed from what was measured here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The link, between each pair of roles.
    pub link: String,
    /// What the slower party did without waiting.
    pub compute_s: f64,
    /// What the direction with more bytes takes.
    pub transfer_s: f64,
    /// Rounds times round trip.
    pub latency_s: f64,
    /// What the dealer did without waiting.
    pub dealer_s: f64,
    /// What the corrections take.
    pub corrections_s: f64,
    /// Corrections are there before; then nothing overlaps: compute, transfer and latency one after the other.
    pub apart_s: f64,
    /// Dealt meanwhile, computing and sending at the same time: the longest of the four, and the latency.
    pub overlapped_s: f64,
}

/// What the paper states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paper {
    /// Polynomials of the row.
    pub approx: String,
    /// Seconds.
    pub seconds: f64,
    /// Gigabytes between the parties, both ways.
    pub gigabytes: f64,
}

impl Row {
    /// Bytes between client and server.
    pub fn online_bytes(&self) -> u64 {
        self.to_server_bytes + self.to_client_bytes
    }

    /// Adds the figures of other layers.
    pub fn add(&mut self, other: &Row) {
        self.layers += other.layers;
        self.macs += other.macs;
        self.elements += other.elements;
        self.client_s += other.client_s;
        self.server_s += other.server_s;
        self.dealer_s += other.dealer_s;
        self.waited_s += other.waited_s;
        self.to_server_bytes += other.to_server_bytes;
        self.to_client_bytes += other.to_client_bytes;
        self.offline_bytes += other.offline_bytes;
        self.rounds += other.rounds;
    }
}

impl Report {
    /// Refuses a result that is not what the plaintext network computes.
    pub fn check(&self) -> Result<(), String> {
        if self.destroyed == 0 && self.relative_error <= LARGEST_ERROR {
            return Ok(());
        }
        Err(format!(
            "the result is not the plaintext network's: {} values are off by more than {LARGEST_ERROR} of its scale, the largest \
             error is {:.2e} of it",
            self.destroyed, self.relative_error
        ))
    }
}
