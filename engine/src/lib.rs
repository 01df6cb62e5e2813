//! Secret-sharing inference engine: everything that knows shares, GPUs or peers, nothing that knows a model.
//!
//! From what is computed to what moves:
//!
//! * [`graph`]: operations and how they are joined; one file per operation, with its rules for shapes, plaintext, fixed
//!   point and shares.
//! * [`exec`]: runs a graph on one device as plaintext, client, server or dealer, by a fixed-point plan made once.
//! * [`protocol`]: how things are computed on shares, written once for all roles, each with its cost as a formula.
//! * [`correlated`]: keys, and the addresses under which masks are drawn.
//! * [`kernels`]: products, convolutions and plaintext layers as calls; [`mod@reference`]: their plain twins.
//! * [`gpu`]: devices, buffers, recordings. [`net`]: addressed messages between roles.
//! * [`approx`]: the polynomials that stand in for costly functions; [`functions`]: those of a plaintext run. [`trace`]: what a role did when.
//! * [`testing`]: three roles in one process.
//!
//! Security: semi-honest roles of which no two work together. What each learns stands in the README; a protocol that shows
//! more than shares and masked values says so in its documentation.
pub mod approx;
mod clock;
pub mod correlated;
pub mod exec;
pub mod functions;
pub mod gpu;
pub mod graph;
pub mod kernels;
pub mod net;
pub mod protocol;
pub mod reference;
pub mod testing;
pub mod trace;
