//! `harness bench step`: one evaluation of a network in detail.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use masque_engine::approx;
use masque_engine::exec::ExecError;
use masque_engine::net::Link;
use masque_engine::protocol::LANES;
use masque_models::{Extents, ModuleConfig, Network};

use super::bench::{approximation, link};
use super::figures::{FigureArgs, put};
use super::networks::Size;
use crate::bench::modules::{self, Source};
use crate::bench::step::{self, Look, Report, Trace, Wanted};
use crate::cli::MaxArgs;
use crate::engine::EngineError;
use crate::error::Result;
use crate::{trace, units};

/// Flags of `harness bench step`.
#[derive(Args)]
pub struct StepArgs {
    /// A model's folder, the folder of one of its modules, or sd15-random: Stable Diffusion v1.5 with weights by a rule, of
    /// which nothing is on disk
    #[arg(long, value_name = "DIR|NAME", default_value = "sd15-random")]
    pub model: PathBuf,
    /// Which of its networks
    #[arg(long, value_enum, default_value_t)]
    pub module: Module,
    /// Height and width of the latent [default: what the model was trained for; 64 for sd15]
    #[arg(long, value_name = "N|HxW")]
    pub latent: Option<Size>,
    /// Functions that stand in for SiLU, GeLU, exp: precise, loose, cipherdm
    #[arg(long, value_name = "NAME", default_value = "loose", value_parser = approximation)]
    pub approx: approx::Approx,
    /// Flags of attention on shares.
    #[command(flatten)]
    pub max: MaxArgs,
    /// Samples evaluated together; a guided UNet step is two for each image
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub batch: u16,
    /// Link between client and server: loopback, lan (3 Gbit/s, 0.3 ms), wan (400 Mbit/s, 4 ms), or as 400mbit,4ms
    #[arg(long, value_name = "LINK", default_value = "lan", value_parser = link)]
    pub link: Link,
    /// Tiles of attention, or pieces of an activation, that each party works on at once; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = LANES as u16, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub lanes: u16,
    /// Evaluate once before, so that kernels are compiled: the time is that of any later step
    #[arg(long)]
    pub warm: bool,
    /// Stop with an error when the process holds more memory than this [default: nine tenths of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<u64>,
    /// Write what every role did when, for chrome://tracing or ui.perfetto.dev; slows the run down
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub trace: Option<PathBuf>,
    /// Where it is measured, and where the figures go; the table is that of the layers.
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// `--module`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Module {
    /// One step of the UNet
    #[default]
    Unet,
    /// The text encoder
    Text,
    /// The autoencoder's decoder
    Vae,
}

impl Module {
    fn is(self, network: &Network) -> bool {
        match network.config {
            ModuleConfig::Unet(_) | ModuleConfig::ClassUnet(_) => self == Self::Unet,
            ModuleConfig::Text(_) => self == Self::Text,
            ModuleConfig::Decoder(_) => self == Self::Vae,
        }
    }
}

/// Measures.
pub fn execute(args: &StepArgs) -> Result<()> {
    args.figures.check(&[&args.trace])?;
    let look = Look::new(args.figures.quiet, args.memory.unwrap_or_else(step::memory_limit));
    let (report, events) = measured(args, &look)?;
    // Whatever the result is worth, its figures were expensive.
    args.figures.write(&report, || step::csv(&report))?;
    put(args.trace.as_deref(), || Ok(trace::chrome(&events).into_bytes()))?;
    args.figures.show(|| step::text(&report))?;
    Ok(report.check().map_err(EngineError::from)?)
}

fn measured(args: &StepArgs, look: &Look) -> std::result::Result<(Report, Trace), EngineError> {
    // What does not fit is found before anything is computed.
    let source = Source::find(&args.model)?;
    let networks = source.networks()?;
    let Some(network) = networks.iter().find(|n| args.module.is(n)) else {
        let kinds: Vec<&str> = networks.iter().map(|n| n.config.kind()).collect();
        return Err(format!("--module: the model has no such network, only {}", kinds.join(", ")).into());
    };
    let mut extents = network.extents;
    if let Some(latent) = args.latent {
        if args.module == Module::Text {
            return Err("--latent has no meaning for a text encoder; leave it out".into());
        }
        extents = Extents { sample: Some(latent.0), ..extents };
    }
    let batch = usize::from(args.batch);
    let forward = modules::example(&network.config, batch, extents)?;
    let maximum = args.max.resolve().into();
    let plan = network.config.plan_with(&forward.graph, args.approx, maximum).map_err(ExecError::Plan)?;
    let gpus = args.figures.devices(false)?;
    let wanted = Wanted {
        module: network.config.kind(),
        forward,
        plan,
        weights: source.weights(network)?,
        link: args.link,
        batch,
        lanes: args.lanes.into(),
        warm: args.warm,
        trace: args.trace.is_some(),
    };
    let (report, events) = step::measure(gpus, wanted, look)?;
    Ok((Report { model: args.model.display().to_string(), ..report }, events))
}
