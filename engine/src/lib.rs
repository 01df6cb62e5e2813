//! Secret-sharing inference engine: everything that knows shares, GPUs or peers, nothing that knows a model.
pub mod approx;
pub mod correlated;
pub mod exec;
pub mod gpu;
pub mod graph;
pub mod kernels;
pub mod net;
pub mod protocol;
pub mod reference;
pub mod testing;
pub mod trace;
