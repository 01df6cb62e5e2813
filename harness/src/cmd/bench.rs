//! `harness bench`: measures.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use masque_engine::approx;
use masque_engine::net::Link;
use masque_engine::protocol::RowMaximum;

use super::bench_modules::{self, ModulesArgs};
use super::bench_step::{self, StepArgs};
use super::figures::{FigureArgs, put};
use crate::bench::head::Head;
use crate::bench::ops::{self, Wanted};
use crate::bench::report::{self, Report};
use crate::bench::trio::Trio;
use crate::bench::{measure, page, picture, table};
use crate::engine;
use crate::error::{Error, Result};
use crate::trace;

/// What to measure.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Single operations between client, server and dealer: latency, bytes, rounds, error; the paper's Figure 1
    Ops(Box<OpsArgs>),
    /// Whole networks of a model between client, server and dealer: compute, bytes, rounds, time; the paper's Table 9
    Modules(Box<ModulesArgs>),
    /// One evaluation of a network, by kind of layer, with memory, device time and estimates for links; the paper's headline
    Step(Box<StepArgs>),
}

/// Elements that finish quickly, and those of a run for figures.
const QUICK: (usize, usize) = (1 << 14, 256);
const FULL: (usize, usize) = (1 << 20, 4096);

/// Flags of `harness bench ops`.
#[derive(Args)]
pub struct OpsArgs {
    /// Operations, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub op: Vec<String>,
    /// Approximations, separated by commas: precise, loose, cipherdm [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = approximation)]
    pub approx: Vec<approx::Approx>,
    /// Elements, such as 65536 or 2^16; operations with a shape of their own ignore it [default: 2^20]
    #[arg(long, value_name = "N", value_parser = elements)]
    pub elements: Option<usize>,
    /// Columns of softmax [default: 4096]
    #[arg(long, value_name = "N", value_parser = elements)]
    pub columns: Option<usize>,
    /// Interval of the inputs [default: the paper's]
    #[arg(long, value_name = "LOW,HIGH", value_parser = interval, allow_hyphen_values = true)]
    pub range: Option<(f64, f64)>,
    /// Shape of Stable Diffusion v1.5 by name, for matmul, conv, groupnorm, layernorm, softmax; a wrong name lists them
    #[arg(long, value_name = "NAME")]
    pub shape: Option<String>,
    /// How softmax finds row maxima; REVEALED shows the client every logit and the server every maximum
    #[arg(long, value_enum, default_value_t)]
    pub maximum: Maximum,
    /// Link between the roles: loopback, lan (3 Gbit/s, 0.3 ms), wan (400 Mbit/s, 4 ms), or as 400mbit,4ms
    #[arg(long, value_name = "LINK", default_value = "loopback", value_parser = link)]
    pub link: Link,
    /// Timed repetitions, after one that is not timed [default: 5, quick: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub repeat: Option<u16>,
    /// Small inputs and shapes: everything within a minute on two cores
    #[arg(long)]
    pub quick: bool,

    /// Write a page with table and picture
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub html: Option<PathBuf>,
    /// Write the picture of SiLU, GeLU and exp as SVG
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub svg: Option<PathBuf>,
    /// Write that picture as PNG
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub png: Option<PathBuf>,
    /// Write what every role did when, for chrome://tracing or ui.perfetto.dev; slows the run down
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub trace: Option<PathBuf>,
    /// Where it is measured, and where the figures go.
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// `--maximum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Maximum {
    /// On shares
    #[default]
    Secure,
    /// In the clear
    Revealed,
    /// Both, to compare
    Both,
}

impl Maximum {
    fn ways(self) -> Vec<RowMaximum> {
        match self {
            Maximum::Secure => vec![RowMaximum::Secure],
            Maximum::Revealed => vec![RowMaximum::Revealed],
            Maximum::Both => vec![RowMaximum::Secure, RowMaximum::Revealed],
        }
    }
}

pub(super) fn approximation(text: &str) -> std::result::Result<approx::Approx, String> {
    match approx::Approx::from_str(text) {
        Ok(approx::Approx::Exact) => Err("exact functions exist in plaintext only".into()),
        other => other.map_err(|e| e.to_string()),
    }
}

/// `4096` or `2^12`.
fn elements(text: &str) -> std::result::Result<usize, String> {
    let number = match text.split_once('^') {
        Some(("2", power)) => power.parse().ok().filter(|p| *p < 31).map(|p: u32| 1 << p),
        _ => text.replace('_', "").parse().ok(),
    };
    number.filter(|n| (1..1 << 31).contains(n)).ok_or_else(|| "expected a number from 1 to 2^30, or as 2^16".into())
}

fn interval(text: &str) -> std::result::Result<(f64, f64), String> {
    let numbers = text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match numbers {
        Some((low, high)) if low < high && f64::is_finite(low) && f64::is_finite(high) => Ok((low, high)),
        _ => Err("expected two numbers, the smaller first, for example -8,4".into()),
    }
}

pub(super) fn link(text: &str) -> std::result::Result<Link, String> {
    Link::parse(text).map_err(|e| e.to_string())
}

/// Measures.
pub fn execute(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Ops(args) => operations(*args),
        BenchCommand::Modules(args) => bench_modules::execute(&args),
        BenchCommand::Step(args) => bench_step::execute(&args),
    }
}

fn operations(args: OpsArgs) -> Result<()> {
    // What cannot work is found before anything is computed.
    let families = ops::select(&args.op, args.shape.as_deref())?;
    args.figures.check(&[&args.html, &args.svg, &args.png, &args.trace])?;
    let mut trio = Trio::on(args.figures.devices(true)?, args.link)?;
    let adapter = trio.adapter();
    let (elements, columns) = if args.quick { QUICK } else { FULL };
    let wanted = Wanted {
        elements: args.elements.unwrap_or(elements),
        columns: args.columns.unwrap_or(columns),
        range: args.range,
        approx: args.approx.clone(),
        maxima: args.maximum.ways(),
        shape: args.shape.clone(),
        small: args.quick,
        limit: adapter.max_binding_bytes.min(adapter.max_buffer_bytes),
    };
    let rows: Vec<_> = families.iter().map(|f| (f.rows)(&wanted)).collect::<std::result::Result<Vec<_>, _>>()?;
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        return Err(Error::Setting("no operation has such an approximation; leave --approx out".into()));
    }
    let figure =
        |set| rows.iter().any(|op| picture::OPS.iter().any(|(o, _)| op.label().op == *o && op.label().approx == set));
    if (args.svg.is_some() || args.png.is_some())
        && ![approx::Approx::Precise, approx::Approx::Loose].into_iter().all(|set| figure(Some(set)))
    {
        return Err(Error::Setting(
            "--svg and --png need precise and loose silu, gelu or exp among the operations".into(),
        ));
    }
    let origin = std::time::Instant::now();
    if args.trace.is_some() {
        trio.start_trace(origin);
    }
    let repeat = usize::from(args.repeat.unwrap_or(if args.quick { 3 } else { 5 }));
    let mut report = Report {
        head: Head::new(report::SCHEMA, engine::adapter_report(&adapter)),
        link: args.link.to_string(),
        repeat,
        rows: vec![],
        ratios: vec![],
        leaks: vec![],
    };
    let mut evals = 0;
    for op in &rows {
        let label = op.label();
        if let Some(leak) = label.leaks.filter(|l| !report.leaks.iter().any(|known| known == l)) {
            tracing::warn!("{leak}");
            report.leaks.push(leak.into());
        }
        let row = measure::measure(&mut trio, op.as_ref(), repeat, &mut evals)?;
        tracing::info!(row = row.name(), seconds = row.total_s.median, "measured");
        report.rows.push(row);
    }
    report.ratios = report::ratios(&report.rows);
    let traces = trio.take_trace()?;
    args.figures.write(&report, || table::csv(&report))?;
    put(args.svg.as_deref(), || Ok(picture::svg(&report)?.into_bytes()))?;
    put(args.png.as_deref(), || picture::png(&report).map_err(Error::from))?;
    put(args.html.as_deref(), || Ok(page::page(&report)?.into_bytes()))?;
    put(args.trace.as_deref(), || Ok(trace::chrome(&traces).into_bytes()))?;
    args.figures.show(|| table::text(&report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(elements("2^20"), Ok(1 << 20));
        assert_eq!(elements("1_000"), Ok(1000));
        for bad in ["0", "2^31", "3^2", "-1", "many", ""] {
            assert!(elements(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(interval("-8,4"), Ok((-8.0, 4.0)));
        for bad in ["4,-8", "1", "a,b", "nan,1", "0,inf"] {
            assert!(interval(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(approximation("loose").is_ok() && approximation("exact").is_err());
    }
}
