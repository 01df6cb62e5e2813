//! `harness bench modules`: the networks of a model, each for itself.

use std::path::PathBuf;

use clap::Args;
use masque_engine::approx;
use masque_engine::exec::ExecError;
use masque_engine::net::Link;
use masque_models::ModuleConfig;

use super::bench::{approximation, link};
use super::figures::FigureArgs;
use super::networks::NetworkArgs;
use crate::bench::head::Head;
use crate::bench::modules::{self, Dealing, Report, SCHEMA, Source, Wanted};
use crate::engine::{self, EngineError, Progress};
use crate::error::Result;
use crate::progress::Reporter;

/// Flags of `harness bench modules`.
#[derive(Args)]
pub struct ModulesArgs {
    /// A model's folder, the folder of one of its modules, or the name of a built-in configuration (sd15), whose weights
    /// follow a rule
    #[arg(long, value_name = "DIR|NAME")]
    pub model: PathBuf,
    /// Which networks, and at what size.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// Images whose evaluations are one batch
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub count: u16,
    /// One evaluation of the UNet for each image; with classifier-free guidance a step takes two
    #[arg(long)]
    pub unguided: bool,
    /// Functions that stand in for SiLU, GeLU, exp: precise, loose, cipherdm
    #[arg(long, value_name = "NAME", default_value = "precise", value_parser = approximation)]
    pub approx: approx::Approx,
    /// Links between client and server, by semicolons: loopback, lan (3 Gbit/s, 0.3 ms), wan (400 Mbit/s, 4 ms), or as
    /// 400mbit,4ms
    #[arg(long, value_name = "LIST", value_delimiter = ';', default_value = "lan;wan", value_parser = link)]
    pub link: Vec<Link>,
    /// Timed evaluations for each link, after one that is not timed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub repeat: u16,
    /// Deal while the parties compute: for modules whose corrections do not fit into memory at once
    #[arg(long)]
    pub overlap: bool,
    /// Where they are measured, and where the figures go.
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// Measures.
pub fn execute(args: &ModulesArgs) -> Result<()> {
    args.figures.check(&[])?;
    let mut reporter = Reporter::new(args.figures.quiet);
    let report = report(args, &mut |p| reporter.event(&p));
    reporter.finish();
    let report = report?;
    args.figures.write(&report, || modules::csv(&report))?;
    args.figures.show(|| modules::text(&report))
}

fn report(args: &ModulesArgs, progress: &mut dyn FnMut(Progress)) -> std::result::Result<Report, EngineError> {
    let source = Source::find(&args.model)?;
    let networks = args.networks.choose(&source)?;
    // What does not fit is found before anything is computed.
    let mut jobs = vec![];
    for network in &networks {
        let unet = matches!(network.config, ModuleConfig::Unet(_) | ModuleConfig::ClassUnet(_));
        let n = usize::from(args.count) * if unet && !args.unguided { 2 } else { 1 };
        let forward = modules::example(&network.config, n, network.extents)?;
        network.config.plan(&forward.graph, args.approx).map_err(ExecError::Plan)?;
        jobs.push((&network.config, forward, source.weights(network)?));
    }
    let gpus = args.figures.devices(!args.overlap)?;
    let dealing = if args.overlap { Dealing::Meanwhile } else { Dealing::Before };
    let wanted = Wanted { approx: args.approx, links: args.link.clone(), repeat: args.repeat.into(), dealing };
    let mut report = Report {
        head: Head::new(SCHEMA, engine::adapter_report(&gpus[0].describe())),
        model: args.model.display().to_string(),
        approx: args.approx.to_string(),
        count: args.count.into(),
        repeat: args.repeat.into(),
        dealt_before: !args.overlap,
        rows: vec![],
    };
    for (config, forward, weights) in jobs {
        progress(Progress::Phase(config.kind()));
        report.rows.push(modules::measure(gpus.clone(), config, forward, &weights, &wanted)?);
    }
    Ok(report)
}
