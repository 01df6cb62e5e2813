//! `harness run`: generates images and writes pictures, a page and a report.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{GpuArgs, KeyArgs, StallArgs, peer_address};
use crate::config::{self, Approx, Guidance, Mode, RunConfig, Secret, Transport, Weight};
use crate::engine::{self, EngineError, Outcome, Progress};
use crate::error::{Error, Result};
use crate::html;
use crate::images::{self, Pictures};
use crate::model::Model;
use crate::output::{self, OutputDir};
use crate::progress::Reporter;
use crate::report::Report;
use crate::units;

/// Images of a job where neither `--count` nor a longer list of classes says otherwise.
const DEFAULT_COUNT: usize = 4;

/// Flags of `harness run`, as typed.
#[derive(Args)]
pub struct RunArgs {
    /// Model folder in diffusers' layout [default: assets/binary-mnist]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// One class for all images
    #[arg(long, value_name = "N", conflicts_with = "classes")]
    pub class: Option<u32>,
    /// Class of each image; a shorter list is repeated
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0,0,1,1")]
    pub classes: Vec<u32>,
    /// Images to generate [default: 4, or as many as --classes lists]
    #[arg(long, value_name = "N")]
    pub count: Option<u32>,
    /// Sampler steps
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub steps: u32,
    /// Seed of the initial noise; client and server both know it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Functions that stand in for SiLU, GeLU, exp
    #[arg(long, value_enum, default_value_t)]
    pub approx: Approx,
    /// On shares, or in plaintext for comparison
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
    /// Folder for pictures and reports; those of an earlier job are replaced
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// Skip the plaintext run that the result is compared with
    #[arg(long)]
    pub no_fidelity: bool,
    /// Show no progress and no summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the report as JSON instead of a summary; write no report.html
    #[arg(long)]
    pub json_only: bool,

    /// Strength of the unconditional-score guidance; 0 switches it off
    #[arg(long, value_name = "ETA", default_value_t = 0.1, allow_hyphen_values = true, help_heading = "Guidance")]
    pub guidance_eta: f32,
    /// Reading of that guidance's weight
    #[arg(long, value_enum, default_value_t, help_heading = "Guidance")]
    pub guidance_weight: Weight,
    /// Classifier-free guidance as in diffusers, s = 1 + w; 1 switches it off
    #[arg(long, value_name = "S", default_value_t = 2.0, allow_hyphen_values = true, help_heading = "Guidance")]
    pub guidance_scale: f32,

    /// Be the client of this server instead of running all roles here; its --model needs no weights
    #[arg(long, value_name = "HOST:PORT", value_parser = peer_address, requires = "dealer", help_heading = "Network")]
    pub connect: Option<String>,
    /// The dealer that the server uses as well
    #[arg(long, value_name = "HOST:PORT", value_parser = peer_address, requires = "connect", help_heading = "Network")]
    pub dealer: Option<String>,

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

impl RunArgs {
    /// Whether client, server and dealer all run in this process.
    pub fn all_roles(&self) -> bool {
        self.mode == Mode::Secure && self.connect.is_none()
    }

    /// The checked settings these flags mean. Makes the results folder, and touches nothing else.
    pub fn resolve(self) -> Result<RunConfig> {
        let transport = match (self.connect, self.dealer) {
            (Some(server), Some(dealer)) => Transport::Remote { server, dealer },
            _ => Transport::InProcess,
        };
        let remote = transport != Transport::InProcess;
        match self.mode {
            Mode::Secure => config::check_secure(self.approx)?,
            Mode::Plain if remote => return Err(no_meaning("--connect")),
            Mode::Plain if self.keys.test_keys.is_some() => return Err(no_meaning("--test-keys")),
            Mode::Plain => {}
        }
        let guidance =
            Guidance { scale: self.guidance_scale, eta: self.guidance_eta, weight: self.guidance_weight }.check()?;
        let asked = self.class.map_or(self.classes, |class| vec![class]);
        let listed = u32::try_from(asked.len().max(DEFAULT_COUNT)).unwrap_or(u32::MAX);
        let count = config::check_count(self.count.unwrap_or(listed))?;
        let model = Model::open(self.model.as_deref())?;
        asked.iter().try_for_each(|class| model.check_class(*class))?;
        model.check_steps(self.steps)?;
        OutputDir::prepare(&self.out)?;
        Ok(RunConfig {
            model,
            classes: Secret(asked.into_iter().cycle().take(count as usize).collect()),
            steps: self.steps,
            seed: self.seed,
            approx: self.approx,
            guidance,
            mode: self.mode,
            transport,
            stall: self.stall.resolve(),
            gpu: self.gpu.resolve(),
            test_keys: self.keys.resolve(),
            fidelity: self.mode == Mode::Secure && !remote && !self.no_fidelity,
            out: self.out,
            quiet: self.quiet,
            json_only: self.json_only,
        })
    }
}

fn no_meaning(flag: &str) -> Error {
    Error::Setting(format!("{flag} has no meaning with --mode plain; leave one of the two out"))
}

/// What computes: [`engine::generate`], or a stand-in under test.
pub type Generate<'a> = &'a dyn Fn(&RunConfig, &mut dyn FnMut(Progress)) -> std::result::Result<Outcome, EngineError>;

/// Resolves, generates, writes, and says so.
pub fn execute(args: RunArgs) -> Result<()> {
    let config = args.resolve()?;
    let report = run(&config, &engine::generate)?;
    match (config.json_only, config.quiet) {
        (true, _) => super::print(&report.to_json()?),
        (false, true) => Ok(()),
        (false, false) => super::print(&summary(&report, &config)),
    }
}

/// Generates and writes all results; `report.json` comes last, so a folder that has one is complete.
pub fn run(config: &RunConfig, generate: Generate<'_>) -> Result<Report> {
    tracing::info!(model = config.model.name, mode = ?config.mode, images = config.images(), "starting");
    let out = OutputDir::prepare(&config.out)?;
    out.begin()?;
    let mut reporter = Reporter::new(config.quiet);
    let outcome = generate(config, &mut |event| reporter.event(&event));
    reporter.finish();
    let outcome = outcome?;
    if outcome.extents[0] != config.images() {
        let (got, asked) = (outcome.extents[0], config.images());
        return Err(Error::Images(format!("{got} images came out where {asked} were asked for")));
    }
    let pictures = Pictures::from_floats(&outcome.images, outcome.extents)?;
    let pngs = pictures.to_pngs()?;
    let report = Report::new(config, &outcome)?;
    for (index, png) in pngs.iter().enumerate() {
        out.write(&images::file_name(index), png)?;
    }
    out.write(output::GRID, &pictures.grid()?)?;
    if !config.json_only {
        out.write(output::PAGE, html::page(&report, &pngs).as_bytes())?;
    }
    out.write(output::REPORT, report.to_json()?.as_bytes())?;
    Ok(report)
}

/// The result in a few lines. The offline phase is always named beside the online one.
fn summary(report: &Report, config: &RunConfig) -> String {
    let mut text = String::new();
    let a = &report.adapter;
    let images = units::plural(report.images, "image");
    let _ = writeln!(text, "{images} in {} on {} ({})", units::seconds(report.wall_s), a.name, a.backend);
    if report.mode == Mode::Secure {
        let (online, offline) = (report.online_bytes, report.offline_bytes);
        let _ = writeln!(
            text,
            "  online    {} client to server, {} server to client, {} rounds",
            units::bytes(online.client_to_server),
            units::bytes(online.server_to_client),
            units::count(report.rounds)
        );
        let _ = writeln!(
            text,
            "  offline   {} dealer to client, {} dealer to server; set-up {}",
            units::bytes(offline.dealer_to_client),
            units::bytes(offline.dealer_to_server),
            units::bytes(report.setup_bytes)
        );
    }
    if let Some(f) = report.fidelity {
        let psnr = f.psnr_db.map_or_else(|| "identical".into(), |db| format!("{db:.1} dB PSNR"));
        let _ = writeln!(text, "  fidelity  {psnr}, largest difference {:.4}, against the plaintext run", f.max_abs);
    }
    for leak in &report.leaks {
        let _ = writeln!(text, "  WARNING   {leak}");
    }
    let (grid, page) = (config.out.join(output::GRID), config.out.join(output::PAGE));
    let _ = writeln!(text, "  results   {}, {}", grid.display(), page.display());
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::synthetic;

    fn refused(flags: &[&str], names: &str) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let text = synthetic::resolve(dir.path(), flags).expect_err("bad settings").one_line();
        assert!(text.contains(names), "{flags:?}: {text:?} does not name {names:?}");
        assert!(!dir.path().join("out").exists(), "{flags:?}: a folder was made for a job that cannot start");
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("readable")
            .map(|e| e.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn defaults() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let c = synthetic::resolve(dir.path(), &[]).expect("good settings");
        assert_eq!(c.classes.0, [0, 0, 1, 1]);
        assert_eq!((c.steps, c.seed, c.approx, c.mode), (50, 1, Approx::Loose, Mode::Secure));
        assert_eq!(c.guidance, Guidance { scale: 2.0, eta: 0.1, weight: Weight::Respaced });
        assert!(c.fidelity && c.test_keys.is_none() && c.transport == Transport::InProcess);
    }

    #[test]
    fn classes_are_repeated_to_the_count() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let classes = |flags: &[&str]| synthetic::resolve(dir.path(), flags).expect("good settings").classes.0;
        assert_eq!(classes(&["--class", "1"]), [1; 4]);
        assert_eq!(classes(&["--classes", "1,0"]), [1, 0, 1, 0]);
        assert_eq!(classes(&["--classes", "1,0,0,1,1"]), [1, 0, 0, 1, 1]);
        assert_eq!(classes(&["--count", "6"]), [0, 0, 1, 1, 0, 0]);
        assert_eq!(classes(&["--count", "1"]), [0]);
    }

    #[test]
    fn only_a_process_with_weights_compares() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let fidelity = |flags: &[&str]| synthetic::resolve(dir.path(), flags).expect("good settings").fidelity;
        assert!(!fidelity(&["--no-fidelity"]));
        assert!(!fidelity(&["--mode", "plain", "--approx", "exact"]));
        assert!(!fidelity(&["--connect", "server:7000", "--dealer", "dealer:7001"]));
    }

    #[test]
    fn bad_settings_say_what_to_do() {
        refused(&["--class", "2"], "choose from 0 to 1");
        refused(&["--classes", "0,7"], "class 7");
        refused(&["--count", "0"], "1 to 10000");
        refused(&["--count", "10001"], "1 to 10000");
        refused(&["--steps", "0"], "1 to 1000");
        refused(&["--steps", "1001"], "1 to 1000");
        refused(&["--approx", "exact"], "--approx precise");
        refused(&["--guidance-eta", "nan"], "--guidance-eta NaN");
        refused(&["--guidance-eta", "-1"], "0 (no guidance) or more");
        refused(&["--guidance-scale", "inf"], "--guidance-scale inf");
        refused(&["--guidance-scale", "0.5"], "1 (no classifier-free guidance)");
        refused(&["--mode", "plain", "--connect", "a:1", "--dealer", "b:2"], "--connect");
        refused(&["--mode", "plain", "--test-keys", "1"], "--test-keys");
    }

    #[test]
    fn no_secret_shows_in_debug_form() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let c = synthetic::resolve(dir.path(), &["--test-keys", "987654", "--class", "1"]).expect("good settings");
        let text = format!("{c:?}");
        assert!(text.contains("classes: [secret]") && !text.contains("987654"), "{text}");
    }

    #[test]
    fn a_finished_job_leaves_all_files() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let seen = std::cell::Cell::new(0);
        let report = run(&config, &|config, progress| {
            progress(Progress::Steps { done: 1, total: 200 });
            seen.set(config.images());
            Ok(synthetic::outcome(4))
        });
        let report = report.expect("a finished job");
        assert_eq!(seen.get(), 4);
        let names = ["grid.png", "image-0000.png", "image-0001.png", "image-0002.png", "image-0003.png"];
        assert_eq!(files(&config.out), [&names[..], &["report.html", "report.json"]].concat());
        let text = fs::read_to_string(config.out.join("report.json")).expect("readable");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("the same format"), report);
        let lines = summary(&report, &config);
        for part in ["4 images in 1 min 34 s", "12,345 rounds", "dB PSNR", "WARNING", "4.00 GB dealer to server"] {
            assert!(lines.contains(part), "{part:?} is missing in {lines}");
        }
    }

    #[test]
    fn json_only_writes_no_page() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &["--json-only", "--count", "1"]).expect("good settings");
        run(&config, &|_, _| Ok(synthetic::outcome(1))).expect("a finished job");
        assert_eq!(files(&config.out), ["grid.png", "image-0000.png", "report.json"]);
    }

    #[test]
    fn a_failed_job_does_not_look_finished() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        run(&config, &|_, _| Ok(synthetic::outcome(4))).expect("a finished job");
        let failed = run(&config, &|_, _| Err("the server closed the connection".into()));
        assert_eq!(failed.expect_err("failed").one_line(), "the server closed the connection");
        assert!(files(&config.out).is_empty());
    }

    #[test]
    fn outcomes_that_cannot_be_shown_are_errors() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let mut bad = synthetic::outcome(4);
        bad.images[5] = f32::NAN;
        let short = Outcome { reference: Some(vec![0.0]), ..synthetic::outcome(4) };
        for outcome in [bad, short, synthetic::outcome(3), Outcome::default()] {
            assert!(run(&config, &|_, _| Ok(outcome.clone())).is_err());
            assert!(!config.out.exists(), "an empty folder was left");
        }
    }
}
