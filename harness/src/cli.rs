//! The command line: global flags and the list of subcommands. Each subcommand's flags live in its own file in `cmd/`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::cmd::{bench, dealer, devices, eval, forward, make_weights, model_info, plan, run, serve};
use crate::config::{AdapterChoice, GpuConfig, Kernels, Max, Mode, Secret};
use crate::units;

/// Two-party secret-sharing inference of diffusion models on any GPU.
#[derive(Parser)]
#[command(name = "harness", version, arg_required_else_help = true)]
pub struct Cli {
    /// Says more on stderr: -v progress of the parts, -vv every protocol step, -vvv everything (RUST_LOG overrides)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Generate images; by default client, server and dealer run in this process
    Run(Box<run::RunArgs>),
    /// Be the dealer of correlated randomness, for a server and a client elsewhere
    Dealer(dealer::DealerArgs),
    /// Be the server that holds a model's weights, for a client elsewhere
    Serve(serve::ServeArgs),
    /// List graphics adapters, their limits, and the kernel variant each gets
    Devices(devices::DevicesArgs),
    /// Print the fixed-point plan of a model: ring and fraction bits of every tensor, and what it will cost
    Plan(plan::PlanArgs),
    /// Print what a model's networks cost: parameters, multiply-accumulates, elements of every non-linear function
    ModelInfo(model_info::ModelInfoArgs),
    /// Evaluate one module (UNet, VAE decoder, text encoder) on your tensors, and compare with your reference
    Forward(Box<forward::ForwardArgs>),
    /// Write a folder with the weights of a full-size model by a documented rule: nothing to download
    MakeWeights(make_weights::MakeWeightsArgs),
    /// Compare functions and methods on many images: tables, pictures, intervals
    Eval(Box<eval::EvalArgs>),
    /// Measure operations on shares
    Bench {
        /// What to measure
        #[command(subcommand)]
        what: bench::BenchCommand,
    },
}

impl Command {
    /// Devices that compute at the same time in this process: one for each role, and plaintext experiments use two.
    pub fn devices(&self) -> usize {
        match self {
            Self::Run(args) if args.all_roles() => 3,
            Self::Eval(args) if args.on_shares() => 3,
            Self::Eval(_) => 2,
            Self::Forward(args) if args.mode == Mode::Secure => 3,
            Self::Bench { .. } => 3,
            _ => 1,
        }
    }
}

/// Flags of every subcommand that computes.
#[derive(Args, Clone, Debug, Default)]
pub struct GpuArgs {
    /// Graphics adapter: an index or a part of a name from `harness devices`
    #[arg(long, value_name = "NAME|INDEX", help_heading = "Device")]
    pub adapter: Option<AdapterChoice>,
    /// Kernels with native 64-bit integers, or the portable form on pairs of 32-bit words
    #[arg(long, value_enum, default_value_t, help_heading = "Device")]
    pub kernels: Kernels,
    /// Device memory of each role for weights that stay there, e.g. 4GiB; those beyond it are uploaded again for every
    /// evaluation. Results do not depend on it [default: all stay]
    #[arg(long, value_name = "SIZE", value_parser = units::size, help_heading = "Device")]
    pub gpu_memory: Option<u64>,
}

impl GpuArgs {
    /// The device settings these flags mean.
    pub fn resolve(self) -> GpuConfig {
        GpuConfig { adapter: self.adapter, kernels: self.kernels, memory: self.gpu_memory }
    }
}

/// Flags of every subcommand that plays a role of the protocol.
#[derive(Args, Clone, Default)]
pub struct KeyArgs {
    /// INSECURE: derive every key from SEED instead of the operating system, to compare runs bit for bit
    #[arg(long, value_name = "SEED", hide_short_help = true, help_heading = "Testing")]
    pub test_keys: Option<u64>,
}

impl KeyArgs {
    /// Seed of the test keys, if any. Warns: such a run protects nothing.
    pub fn resolve(&self) -> Option<Secret<u64>> {
        if self.test_keys.is_some() {
            tracing::warn!("INSECURE: --test-keys fixes all keys; this run protects nothing and is for tests only");
        }
        self.test_keys.map(Secret)
    }
}

/// Flags of every subcommand whose attention runs on shares. All roles of a session must be given the same.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct MaxArgs {
    /// How attention finds the maxima of its rows; REVEALED shows the client every logit and the server every maximum, and
    /// all roles must agree to it [default: secure]
    #[arg(long, alias = "maximum", value_enum)]
    pub max: Option<Max>,
}

impl MaxArgs {
    /// The setting these flags mean. Warns of what it shows.
    pub fn resolve(self) -> Max {
        let max = self.max.unwrap_or_default();
        if let Some(leak) = max.leaks() {
            tracing::warn!("--max {max}: {leak}");
        }
        max
    }
}

/// Flags of every subcommand that holds weights.
#[derive(Args, Clone, Debug, Default)]
pub struct CacheArgs {
    /// Keeps chains without a condition here between runs [default: masque in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "MASQUE_CACHE", hide_env_values = true, help_heading = "Device")]
    pub cache: Option<PathBuf>,
    /// Keep nothing between runs
    #[arg(long, help_heading = "Device")]
    pub no_cache: bool,
}

impl CacheArgs {
    /// The folder these flags mean, if any.
    pub fn resolve(self) -> Option<PathBuf> {
        match self.no_cache {
            true => None,
            false => self.cache.or_else(|| Some(dirs::cache_dir()?.join("masque"))),
        }
    }
}

/// Flags of every subcommand that waits for peers.
#[derive(Args, Clone, Debug)]
pub struct StallArgs {
    /// Give a peer up that shows no sign of life for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 180, help_heading = "Network")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stall: u64,
}

impl StallArgs {
    /// The time these flags mean.
    pub fn resolve(&self) -> Duration {
        Duration::from_secs(self.stall)
    }
}

/// Takes one of some values, each with its name and a line of help.
pub fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [(T, &'static str, &'static str); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(|(_, name, help)| PossibleValue::new(name).help(help))).try_map(move |given| {
        all.iter().find(|(_, name, _)| *name == given).map(|(value, ..)| *value).ok_or("not one of the possible values")
    })
}

/// Checks the form `HOST:PORT`; names are resolved later, when the connection is made.
pub fn address(text: &str) -> std::result::Result<String, String> {
    let form = "expected HOST:PORT, for example 127.0.0.1:7000";
    let (host, port) = text.rsplit_once(':').ok_or(form)?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains(char::is_whitespace) || (host.contains(':') && !bracketed) {
        return Err(form.into());
    }
    port.parse::<u16>().map_err(|_| format!("port {port:?} is not a number from 0 to 65535"))?;
    Ok(text.into())
}

/// Checks `HOST:PORT` of a peer; port 0 only makes sense for a listener.
pub fn peer_address(text: &str) -> std::result::Result<String, String> {
    match address(text)?.ends_with(":0") {
        true => Err("port 0 cannot be connected to".into()),
        false => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:7000", "localhost:1", "[::1]:7000", "dealer.example:65535"] {
            assert_eq!(peer_address(good).as_deref(), Ok(good));
        }
        for bad in ["", "7000", ":7000", "host:", "host:65536", "::1:7000", "a b:1", "host:x", "host:0"] {
            assert!(peer_address(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(address("0.0.0.0:0").is_ok());
    }

    #[test]
    fn roles_share_this_process_unless_one_is_elsewhere() {
        let devices = |args: &[&str]| {
            let cli = Cli::try_parse_from([&["harness"], args].concat()).unwrap_or_else(|e| panic!("{args:?}: {e}"));
            cli.command.devices()
        };
        assert_eq!(devices(&["run"]), 3);
        assert_eq!(devices(&["run", "--mode", "plain"]), 1);
        assert_eq!(devices(&["run", "--connect", "localhost:1", "--dealer", "localhost:2"]), 1);
        assert_eq!(devices(&["bench", "ops"]), 3);
        assert_eq!(devices(&["eval", "--model", "m", "--mode", "secure"]), 3);
        assert_eq!(devices(&["eval", "--model", "m"]), 2);
        assert_eq!(devices(&["devices"]), 1);
    }
}
