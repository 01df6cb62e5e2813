//! The seam between the command line and the engine: what the harness asks for and what it gets back.
//!
//! Nothing else in this crate calls the engine or the models crate, so everything around it is tested with an
//! [`Outcome`] made by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::{DealerConfig, PlanConfig, RunConfig, ServeConfig};
use crate::report::{Adapter, Layer, OfflineBytes, OnlineBytes, Role, RoleReport};

/// Any error of the engine or the models; its `Display` and causes become the one line the user reads.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// What a running job tells the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A new part begins, e.g. `compiling kernels`; says nothing about how long it takes.
    Phase(&'static str),
    /// Sampler steps done so far, counted per image.
    Steps {
        /// Steps done.
        done: u64,
        /// `steps * images`.
        total: u64,
    },
}

/// Everything a finished job hands over. Figures that this process could not measure stay empty rather than guessed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Final images, values nominally in [-1, 1], as `[n, h, w, c]`.
    pub images: Vec<f32>,
    /// `[n, h, w, c]`.
    pub extents: [usize; 4],
    /// The plaintext run's images with the same approximations and noise, if a comparison was made.
    pub reference: Option<Vec<f32>>,
    /// The adapter that computed.
    pub adapter: Adapter,
    /// From the start of the roles to the last image in the client's memory; the plaintext comparison is not part of it.
    pub wall_s: f64,
    /// Per role that this process ran (or that reported to it).
    pub roles: BTreeMap<Role, RoleReport>,
    /// Bytes between client and server after set-up.
    pub online_bytes: OnlineBytes,
    /// Bytes of corrections from the dealer.
    pub offline_bytes: OfflineBytes,
    /// Bytes sent once per session by all roles: handshake, keys, masked weights.
    pub setup_bytes: u64,
    /// Online messages that had to be waited for, one after another.
    pub rounds: u64,
    /// One entry per graph node, in graph order, summed over all steps and images.
    pub per_layer: Vec<Layer>,
    /// What this run revealed beyond the protocol's default; one sentence each.
    pub leaks: Vec<String>,
    /// Versions worth recording beside the harness's own, e.g. `wgpu`.
    pub versions: BTreeMap<String, String>,
}

/// One line of `harness devices`.
#[derive(Clone, Debug)]
pub struct Device {
    /// Adapter as reports name it, with the kernel variant it gets under `--kernels auto`.
    pub adapter: Adapter,
    /// `discrete`, `integrated`, `software`, ...
    pub kind: String,
    /// Name and value of each limit or feature that matters, for people.
    pub limits: Vec<(String, String)>,
}

/// Generates images in the mode, and over the transport, that the settings name.
pub fn generate(_config: &RunConfig, _progress: &mut dyn FnMut(Progress)) -> Result<Outcome, EngineError> {
    not_built()
}

/// Serves a model's weights until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn serve(_config: &ServeConfig, _listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    not_built()
}

/// Deals correlated randomness until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn deal(_config: &DealerConfig, _listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    not_built()
}

/// All adapters, in the order of their indices.
pub fn devices() -> Result<Vec<Device>, EngineError> {
    not_built()
}

/// The fixed-point plan of a model as a table for people.
pub fn plan(_config: &PlanConfig) -> Result<String, EngineError> {
    not_built()
}

/// TO BE REPLACED when the engine lands: the only place that stands in for it.
fn not_built<T>() -> Result<T, EngineError> {
    Err("the engine is not built yet".into())
}
