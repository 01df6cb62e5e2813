//! A job from its settings to its files. Pictures are written as soon as they are drawn; those of a batch are noted, so that an
//! interrupted batch can be taken up again.

use std::fmt::Write;

use crate::config::{Mode, RunConfig};
use crate::engine::{Audience, Drawn, Engine, EngineError, Outcome, Progress};
use crate::error::{Error, Result};
use crate::html;
use crate::images::{self, Pictures};
use crate::ledger::Ledger;
use crate::output::{self, OutputDir};
use crate::progress::Reporter;
use crate::report::Report;
use crate::units;

/// Most pictures in the grid and on the page.
const SHOWN: usize = 256;

/// What computes: the engine, or a stand-in under test.
pub trait Draw {
    /// Digest of the weights, if they are here.
    fn model(
        &self,
        config: &RunConfig,
        audience: &mut dyn Audience,
    ) -> std::result::Result<Option<[u8; 32]>, EngineError>;

    /// Draws all images.
    fn draw(&self, config: &RunConfig, audience: &mut dyn Audience) -> std::result::Result<Outcome, EngineError>;
}

impl Draw for Engine {
    fn model(
        &self,
        config: &RunConfig,
        audience: &mut dyn Audience,
    ) -> std::result::Result<Option<[u8; 32]>, EngineError> {
        Engine::model(self, config, audience)
    }

    fn draw(&self, config: &RunConfig, audience: &mut dyn Audience) -> std::result::Result<Outcome, EngineError> {
        self.generate(config, audience)
    }
}

/// Generates and writes all results; `report.json` comes last, so a folder that has one is complete. Returns nothing if all
/// images of a batch were there already.
pub fn run(config: &RunConfig, engine: &dyn Draw) -> Result<Option<Report>> {
    tracing::info!(model = config.model.name, mode = ?config.mode, images = config.images(), "starting");
    let out = OutputDir::prepare(&config.out)?;
    let ledger = match &config.batch {
        Some(_) => Some(Ledger::open(&out, &config.model.path)?),
        None => {
            out.begin()?;
            None
        }
    };
    let left: Vec<usize> = match &ledger {
        Some(ledger) => ledger.left(config)?,
        None => (0..config.images()).collect(),
    };
    let (kept, job) = (config.images() - left.len(), config.part(&left));
    let reporter = Reporter::new(config.quiet);
    let mut desk = Desk { config: &job, out: &out, ledger, reporter, shown: None, drawn: 0 };
    let outcome = desk.draw(engine);
    desk.reporter.finish();
    let Some(outcome) = outcome? else { return Ok(None) };
    let (got, asked) = (desk.drawn, job.images());
    let Some(shown) = desk.shown.filter(|_| got == asked) else {
        return Err(Error::Images(format!("{got} images came out where {asked} were asked for")));
    };
    let report = Report { kept: kept as u64, ..Report::new(&job, &outcome) };
    out.write(output::GRID, &shown.grid()?)?;
    if !config.json_only {
        out.write(output::PAGE, html::page(&report, &shown.to_pngs()?).as_bytes())?;
    }
    out.write(output::REPORT, report.to_json()?.as_bytes())?;
    Ok(Some(report))
}

/// Writes what comes out of a job.
struct Desk<'a> {
    /// The images that are not there yet.
    config: &'a RunConfig,
    out: &'a OutputDir,
    ledger: Option<Ledger<'a>>,
    reporter: Reporter,
    /// The first pictures.
    shown: Option<Pictures>,
    drawn: usize,
}

impl Desk<'_> {
    /// Draws what is left, if anything is.
    fn draw(&mut self, engine: &dyn Draw) -> Result<Option<Outcome>> {
        let config = self.config;
        if self.ledger.is_some()
            && let Some(weights) = engine.model(config, self)?
        {
            self.model(weights)?;
        }
        if config.images() == 0 {
            return Ok(None);
        }
        Ok(Some(engine.draw(config, self)?))
    }

    fn write(&mut self, images: &Drawn) -> Result<()> {
        let pictures = Pictures::from_floats(&images.values, images.extents)?;
        let positions: Vec<usize> = (self.drawn..self.drawn + pictures.pixels.len()).collect();
        if positions.last().is_some_and(|last| *last >= self.config.images()) {
            return Err(Error::Images(format!("more images came out than the {} asked for", self.config.images())));
        }
        if self.drawn == 0 {
            // Now, as a job that is called off before leaves the folder as it was.
            self.out.withdraw()?;
        }
        for (png, at) in pictures.to_pngs()?.iter().zip(&positions) {
            self.out.write(&images::file_name(self.config.number(*at)), png)?;
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.add(self.config, &positions)?;
        }
        self.drawn += positions.len();
        let sets = self.shown.take().into_iter().chain([pictures]).collect();
        self.shown = Some(Pictures::joined(sets, SHOWN));
        Ok(())
    }
}

impl Audience for Desk<'_> {
    fn progress(&mut self, event: Progress) {
        self.reporter.event(&event);
    }

    fn model(&mut self, weights: [u8; 32]) -> std::result::Result<(), EngineError> {
        match &mut self.ledger {
            Some(ledger) => Ok(ledger.weights(weights)?),
            None => Ok(()),
        }
    }

    fn drawn(&mut self, images: Drawn) -> std::result::Result<(), EngineError> {
        Ok(self.write(&images)?)
    }
}

/// The result in a few lines. The offline phase is always named beside the online one.
pub fn summary(report: &Report, config: &RunConfig) -> String {
    let mut text = String::new();
    let a = &report.adapter;
    let images = units::plural(report.images, "image");
    let _ = writeln!(text, "{images} in {} on {} ({})", units::seconds(report.wall_s), a.name, a.backend);
    if report.kept > 0 {
        let _ = writeln!(text, "  kept      {} of an earlier run", units::plural(report.kept, "image"));
    }
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
    let grid = config.out.join(output::GRID);
    let page = if config.json_only { String::new() } else { format!(", {}", config.out.join(output::PAGE).display()) };
    let _ = writeln!(text, "  results   {}{page}", grid.display());
    text
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::Transport;
    use crate::model::Model;
    use crate::synthetic;

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("readable")
            .map(|e| e.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Draws gradients in portions until `most` are drawn, with weights of this digest.
    struct Painter {
        weights: u8,
        most: usize,
        portions: RefCell<Vec<usize>>,
    }

    fn painter() -> Painter {
        Painter { weights: 1, most: usize::MAX, portions: RefCell::default() }
    }

    type Answer<T> = std::result::Result<T, EngineError>;

    impl Draw for Painter {
        fn model(&self, config: &RunConfig, _: &mut dyn Audience) -> Answer<Option<[u8; 32]>> {
            Ok((config.transport == Transport::InProcess).then_some([self.weights; 32]))
        }

        fn draw(&self, config: &RunConfig, audience: &mut dyn Audience) -> Answer<Outcome> {
            audience.model([self.weights; 32])?;
            audience.progress(Progress::Steps { done: 1, total: 200 });
            for at in (0..config.images()).step_by(config.at_once) {
                if self.portions.borrow().len() == self.most {
                    return Err("the power went out".into());
                }
                let images = config.at_once.min(config.images() - at);
                self.portions.borrow_mut().push(images);
                audience.drawn(synthetic::drawn(images))?;
            }
            Ok(synthetic::outcome())
        }
    }

    /// Hands over these images whatever is asked for.
    struct Wrong(Drawn);

    impl Draw for Wrong {
        fn model(&self, _: &RunConfig, _: &mut dyn Audience) -> Answer<Option<[u8; 32]>> {
            Ok(None)
        }

        fn draw(&self, _: &RunConfig, audience: &mut dyn Audience) -> Answer<Outcome> {
            audience.drawn(self.0.clone())?;
            Ok(synthetic::outcome())
        }
    }

    #[test]
    fn a_finished_job_leaves_all_files() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let painter = painter();
        let report = run(&config, &painter).expect("a finished job").expect("something to draw");
        assert_eq!(painter.portions.take(), [4]);
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
        run(&config, &painter()).expect("a finished job");
        assert_eq!(files(&config.out), ["grid.png", "image-0000.png", "report.json"]);
    }

    #[test]
    fn a_failed_job_does_not_look_finished() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        run(&config, &painter()).expect("a finished job");
        let failed = run(&config, &Painter { most: 0, ..painter() });
        assert_eq!(failed.expect_err("failed").one_line(), "the power went out");
        assert!(files(&config.out).is_empty());
        // What was drawn before stays, without a report.
        let config = synthetic::resolve_text(dir.path(), &["--count", "5", "--batch", "2"]).expect("good settings");
        run(&config, &Painter { most: 1, ..painter() }).expect_err("failed");
        assert_eq!(files(&config.out), ["image-0000.png", "image-0001.png"]);
    }

    #[test]
    fn outcomes_that_cannot_be_shown_are_errors() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let mut bad = synthetic::drawn(4);
        bad.values[5] = f32::NAN;
        let short = Drawn { values: vec![0.0], ..synthetic::drawn(4) };
        for images in [bad, short, synthetic::drawn(5), Drawn::default()] {
            assert!(run(&config, &Wrong(images)).is_err());
            assert!(!config.out.exists(), "an empty folder was left");
        }
        let text = run(&config, &Wrong(synthetic::drawn(3))).expect_err("one is missing").one_line();
        assert!(text.contains("3 images came out where 4"), "{text}");
        assert!(!config.out.join("report.json").exists());
    }

    /// A batch of five prompts with these flags.
    fn batch(dir: &Path, flags: &[&str]) -> RunConfig {
        let file = dir.join("prompts.txt");
        fs::write(&file, "one\ntwo\nthree\nfour\nfive\n").expect("temporary file");
        let flags = [&["--prompts", file.to_str().expect("a plain path"), "--batch", "2"], flags].concat();
        synthetic::resolve_text(dir, &flags).expect("good settings")
    }

    /// Runs a batch until `most` portions are drawn; how many images each had.
    fn drawn(config: &RunConfig, most: usize) -> (Result<Option<Report>>, Vec<usize>) {
        let painter = Painter { most, ..painter() };
        (run(config, &painter), painter.portions.take())
    }

    #[test]
    fn a_batch_is_taken_up_where_it_ended() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = batch(dir.path(), &[]);
        let (failed, portions) = drawn(&config, 1);
        assert!(failed.is_err() && portions == [2]);
        assert_eq!(files(&config.out), ["batch.json", "image-0000.png", "image-0001.png"]);
        fs::remove_file(config.out.join("image-0000.png")).expect("there");
        let (report, portions) = drawn(&config, 9);
        let report = report.expect("a finished job").expect("something to draw");
        assert_eq!((portions, report.images, report.kept), (vec![2, 2], 4, 1));
        assert_eq!(files(&config.out).iter().filter(|n| n.starts_with("image-")).count(), 5);
        let (nothing, portions) = drawn(&config, 9);
        assert!(nothing.expect("no failure").is_none() && portions.is_empty());
        assert!(config.out.join("report.json").exists(), "a finished batch stays finished");
    }

    #[test]
    fn nothing_of_a_batch_is_written_over() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = batch(dir.path(), &[]);
        drawn(&config, 9).0.expect("a finished job");
        let before = files(&config.out);
        for other in [batch(dir.path(), &["--steps", "7"]), batch(dir.path(), &["--seed", "2"])] {
            let text = drawn(&other, 9).0.expect_err("another job").one_line();
            assert!(text.contains("image-0000.png") && text.contains("--out"), "{text}");
        }
        let single = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let text = run(&single, &painter()).expect_err("a batch is there").one_line();
        assert!(text.contains("the pictures of a batch"), "{text}");
        assert_eq!(files(&config.out), before);
        fs::write(config.out.join("batch.json"), "{}").expect("writable");
        assert!(drawn(&config, 9).0.expect_err("no ledger").one_line().contains("batch.json"));
    }

    #[test]
    fn a_model_is_known_by_what_is_in_it() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = batch(dir.path(), &[]);
        drawn(&config, 1).0.expect_err("interrupted");
        // The same model elsewhere.
        let moved = dir.path().join("moved");
        fs::rename(&config.model.path, &moved).expect("movable");
        let config = RunConfig { model: Model::open(Some(&moved)).expect("a model"), ..config };
        let (report, portions) = drawn(&config, 1);
        assert!(report.is_err() && portions == [2]);
        // Other weights in the same folder, here or at a server: nothing is drawn, nothing is lost, finished or not.
        let remote = Transport::Remote { server: "a:1".into(), dealer: "b:2".into() };
        let elsewhere = RunConfig { transport: remote, ..config.clone() };
        for config in [&config, &elsewhere] {
            let other = Painter { weights: 2, ..painter() };
            let text = run(config, &other).expect_err("another model").one_line();
            assert!(text.contains("other weights") && text.contains("batch.json"), "{text}");
            assert!(other.portions.take().is_empty());
            assert_eq!(files(&config.out).len(), 5);
        }
        let (report, portions) = drawn(&elsewhere, 9);
        assert!(report.expect("no failure").is_some() && portions == [1]);
        assert!(run(&config, &Painter { weights: 2, ..painter() }).is_err(), "a finished batch of another model");
        // Another configuration in the same folder.
        fs::write(moved.join("scheduler/scheduler_config.json"), r#"{"beta_end": 0.5}"#).expect("writable");
        let text = drawn(&config, 9).0.expect_err("another model").one_line();
        assert!(text.contains("or model") && text.contains("image-0000.png"), "{text}");
    }

    #[test]
    fn shards_draw_the_images_of_the_whole() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = batch(dir.path(), &["--shard", "1/2"]);
        drawn(&config, 9).0.expect("a finished job");
        let pictures: Vec<_> = files(&config.out).into_iter().filter(|n| n.starts_with("image-")).collect();
        assert_eq!(pictures, ["image-0001.png", "image-0003.png"]);
        let empty = batch(tempfile::tempdir().expect("temporary folder").path(), &["--shard", "7/8"]);
        assert!(drawn(&empty, 9).0.expect("no failure").is_none(), "a part without images");
    }
}
