//! `harness serve`: holds a model's weights and computes for clients elsewhere.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{CacheArgs, GpuArgs, KeyArgs, MaxArgs, StallArgs, address, peer_address};
use crate::config::ServeConfig;
use crate::engine;
use crate::error::{Error, Result};
use crate::model::Model;

/// Flags of `harness serve`.
#[derive(Args)]
pub struct ServeArgs {
    /// Where to listen for the client; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub listen: String,
    /// Where the dealer listens
    #[arg(long, value_name = "HOST:PORT", value_parser = peer_address)]
    pub dealer: String,
    /// Model folder in diffusers' layout [default: assets/mini-sd]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Exit after this many sessions [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sessions: Option<u32>,
    /// Flags of attention on shares.
    #[command(flatten)]
    pub max: MaxArgs,
    /// Network flags.
    #[command(flatten)]
    pub stall: StallArgs,
    /// Device flags.
    #[command(flatten)]
    pub gpu: GpuArgs,
    /// Cache flags.
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Key flags.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// Serves until done.
pub fn execute(args: ServeArgs) -> Result<()> {
    let config = ServeConfig {
        model: Model::open(args.model.as_deref())?,
        test_keys: args.keys.resolve(),
        listen: args.listen,
        maximum: args.max.resolve(),
        dealer: args.dealer,
        stall: args.stall.resolve(),
        gpu: args.gpu.resolve(),
        cache: args.cache.resolve(),
        sessions: args.sessions,
    };
    let mut said = Ok(());
    engine::serve(&config, &mut |at| said = super::print(&format!("server listens on {at}\n"))).map_err(Error::from)?;
    said
}
