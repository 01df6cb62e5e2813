//! `harness dealer`: deals correlated randomness to one client and one server per session.

use clap::Args;

use crate::cli::{GpuArgs, KeyArgs, MaxArgs, StallArgs, address};
use crate::config::DealerConfig;
use crate::engine;
use crate::error::{Error, Result};

/// Flags of `harness dealer`.
#[derive(Args)]
pub struct DealerArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub listen: String,
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
    /// Key flags.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// Deals until done.
pub fn execute(args: DealerArgs) -> Result<()> {
    let config = DealerConfig {
        listen: args.listen,
        maximum: args.max.resolve(),
        stall: args.stall.resolve(),
        gpu: args.gpu.resolve(),
        test_keys: args.keys.resolve(),
        sessions: args.sessions,
    };
    let mut said = Ok(());
    engine::deal(&config, &mut |at| said = super::print(&format!("dealer listens on {at}\n"))).map_err(Error::from)?;
    said
}
