//! `harness plan`: the fixed-point plan of a model, computed without running it.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Approx, PlanConfig};
use crate::engine;
use crate::error::Result;
use crate::model::Model;

/// Flags of `harness plan`.
#[derive(Args)]
pub struct PlanArgs {
    /// Model folder in diffusers' layout [default: assets/mini-sd]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Images of one batch
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u32,
    /// Functions that stand in for SiLU, GeLU, exp
    #[arg(long, value_enum, default_value_t)]
    pub approx: Approx,
}

impl PlanArgs {
    /// The checked settings these flags mean.
    pub fn resolve(&self) -> Result<PlanConfig> {
        config::check_secure(self.approx)?;
        let count = config::check_count(self.count)?;
        Ok(PlanConfig { model: Model::open(self.model.as_deref())?, count, approx: self.approx })
    }
}

/// Prints the plan.
pub fn execute(args: &PlanArgs) -> Result<()> {
    super::print(&engine::plan(&args.resolve()?)?)
}
