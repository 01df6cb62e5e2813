//! `harness bench`: operations and whole networks between three roles in this process, measured, against the paper's figures.
//!
//! [`trio`] is where the roles meet; [`ops`] is the list of operations, each with inputs, protocol and the functions its
//! result is compared with; [`measure`] times them; [`report`] holds the figures, which [`table`], [`picture`] and [`page`]
//! show. [`modules`] does the same for whole networks, [`step`] for one of them in detail. Figures of others stand in [`published`].

pub mod head;
pub mod measure;
pub mod modules;
pub mod ops;
pub mod page;
pub mod picture;
pub mod published;
pub mod report;
pub mod step;
pub mod stock;
pub mod table;
pub mod trio;

use crate::engine::EngineError;

/// Result of everything that measures.
pub type Result<T> = std::result::Result<T, EngineError>;
