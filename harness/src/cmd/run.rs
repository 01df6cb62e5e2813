//! `harness run`: generates images and writes pictures, a page and a report.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{CacheArgs, GpuArgs, KeyArgs, MaxArgs, StallArgs, peer_address};
use crate::config::{self, Approx, Guidance, Mode, RunConfig, Secret, Transport, Weight};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job;
use crate::model::{Kind, Model};
use crate::output::OutputDir;
use crate::subject::Subject;

use super::text::TextArgs;

/// What is drawn where neither `--class` nor `--classes` says otherwise.
const CLASSES: [u32; 4] = [0, 0, 1, 1];

/// Flags of `harness run`, as typed.
#[derive(Args)]
pub struct RunArgs {
    /// Model folder in diffusers' layout: text to image or class-conditional [default: assets/mini-sd]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// One class for all images
    #[arg(long, value_name = "N", conflicts_with = "classes")]
    pub class: Option<u32>,
    /// Class of each image; a shorter list is repeated [default: 0,0,1,1]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub classes: Vec<u32>,
    /// Images to generate [default: 4, or as many as --classes or --prompt lists]
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
    /// Flags of attention on shares.
    #[command(flatten)]
    pub max: MaxArgs,
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
    /// Classifier-free guidance as in diffusers, s = 1 + w; 1 switches it off [default: 7.5 for text, 2 for classes]
    #[arg(long, value_name = "S", allow_hyphen_values = true, help_heading = "Guidance")]
    pub guidance_scale: Option<f32>,

    /// Flags of text-to-image models.
    #[command(flatten)]
    pub text: TextArgs,

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
    /// Cache flags.
    #[command(flatten)]
    pub cache: CacheArgs,
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
            Mode::Plain if self.max.max.is_some() => return Err(no_meaning("--max")),
            Mode::Plain if self.keys.test_keys.is_some() => return Err(no_meaning("--test-keys")),
            Mode::Plain => {}
        }
        let model = Model::open(self.model.as_deref())?;
        let scale = self.guidance_scale.unwrap_or(match model.kind {
            Kind::Text => 7.5,
            Kind::Classes(_) => 2.0,
        });
        let guidance = Guidance { scale, eta: self.guidance_eta, weight: self.guidance_weight }.check()?;
        let (at_once, (subject, batch)) = match model.kind {
            Kind::Text => {
                let flags = [("--class", self.class.is_some()), ("--classes", !self.classes.is_empty())];
                if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
                    return Err(model.no_meaning(flag, "it draws what --prompt says"));
                }
                (self.text.at_once(), self.text.resolve(self.count, self.seed, self.mode, scale != 1.0)?)
            }
            Kind::Classes(_) => {
                self.text.refuse(&model)?;
                let subject = classes(&model, self.class, self.classes, self.count)?;
                (subject.images(), (subject, None))
            }
        };
        model.check_steps(self.steps)?;
        OutputDir::prepare(&self.out)?;
        Ok(RunConfig {
            model,
            subject,
            at_once,
            batch,
            steps: self.steps,
            seed: self.seed,
            approx: self.approx,
            maximum: (self.mode == Mode::Secure).then(|| self.max.resolve()),
            guidance,
            mode: self.mode,
            transport,
            stall: self.stall.resolve(),
            gpu: self.gpu.resolve(),
            cache: self.cache.resolve(),
            test_keys: self.keys.resolve(),
            fidelity: self.mode == Mode::Secure && !remote && !self.no_fidelity,
            out: self.out,
            quiet: self.quiet,
            json_only: self.json_only,
        })
    }
}

/// The classes to draw.
fn classes(model: &Model, class: Option<u32>, listed: Vec<u32>, count: Option<u32>) -> Result<Subject> {
    let asked = match class {
        Some(class) => vec![class],
        None if listed.is_empty() => CLASSES.to_vec(),
        None => listed,
    };
    asked.iter().try_for_each(|class| model.check_class(*class))?;
    let most = u32::try_from(asked.len().max(CLASSES.len())).unwrap_or(u32::MAX);
    let count = config::check_count(count.unwrap_or(most))?;
    Ok(Subject::Classes(Secret(asked.into_iter().cycle().take(count as usize).collect())))
}

fn no_meaning(flag: &str) -> Error {
    Error::Setting(format!("{flag} has no meaning with --mode plain; leave one of the two out"))
}

/// Resolves, generates, writes, and says so.
pub fn execute(args: RunArgs) -> Result<()> {
    let config = args.resolve()?;
    let engine = Engine::default();
    let report = job::run(&config, &engine)?;
    let Some(report) = report else {
        let text = format!("nothing left to draw: all images are in {} already\n", config.out.display());
        return if config.quiet { Ok(()) } else { super::print(&text) };
    };
    match (config.json_only, config.quiet) {
        (true, _) => super::print(&report.to_json()?),
        (false, true) => Ok(()),
        (false, false) => super::print(&job::summary(&report, &config)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Max;
    use crate::synthetic;

    fn refused(flags: &[&str], names: &str) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let text = synthetic::resolve(dir.path(), flags).expect_err("bad settings").one_line();
        assert!(text.contains(names), "{flags:?}: {text:?} does not name {names:?}");
        assert!(!dir.path().join("out").exists(), "{flags:?}: a folder was made for a job that cannot start");
    }

    #[test]
    fn defaults() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let c = synthetic::resolve(dir.path(), &[]).expect("good settings");
        assert_eq!(c.subject, Subject::Classes(Secret(vec![0, 0, 1, 1])));
        assert_eq!((c.steps, c.seed, c.approx, c.mode), (50, 1, Approx::Loose, Mode::Secure));
        assert_eq!(c.guidance, Guidance { scale: 2.0, eta: 0.1, weight: Weight::Respaced });
        assert_eq!(c.maximum, Some(Max::Secure));
        assert!(c.fidelity && c.test_keys.is_none() && c.transport == Transport::InProcess);
    }

    #[test]
    fn classes_are_repeated_to_the_count() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let classes = |flags: &[&str]| match synthetic::resolve(dir.path(), flags).expect("good settings").subject {
            Subject::Classes(classes) => classes.0,
            Subject::Prompts { .. } => panic!("a model of classes"),
        };
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
        refused(&["--mode", "plain", "--max", "secure"], "--max has no meaning");
        refused(&["--mode", "plain", "--test-keys", "1"], "--test-keys");
    }

    #[test]
    fn no_secret_shows_in_debug_form() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let c = synthetic::resolve(dir.path(), &["--test-keys", "987654", "--class", "1"]).expect("good settings");
        let text = format!("{c:?}");
        assert!(text.contains("Classes([secret])") && !text.contains("987654"), "{text}");
    }
}
