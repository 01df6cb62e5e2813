//! Everything behind the `harness` command: settings, report, pictures, progress, and the seam to the engine.
//!
//! The order of a run: [`cmd::run::RunArgs`] (what was typed) becomes a [`config::RunConfig`] (what it means, checked),
//! [`engine::Engine::generate`] turns that into an [`engine::Outcome`], and [`job::run`] writes pictures, `report.html` and,
//! last, `report.json`.

pub mod bench;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod driver;
pub mod engine;
pub mod error;
pub mod eval;
pub mod html;
pub mod images;
pub mod job;
pub mod ledger;
pub mod logging;
pub mod model;
pub mod output;
pub mod progress;
pub mod prompts;
pub mod report;
pub mod session;
pub mod subject;
#[cfg(test)]
mod synthetic;
pub mod task;
pub mod trace;
pub mod units;

pub use error::{Error, Result};
