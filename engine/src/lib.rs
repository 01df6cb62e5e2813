//! Secret-sharing inference engine.
pub mod graph;
