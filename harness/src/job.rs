//! A job from its settings to its files: all images at once, or a batch portion by portion, which can be taken up again.

use std::fmt::Write;
use std::ops::Range;

use crate::config::{Mode, RunConfig};
use crate::engine::{EngineError, Outcome, Progress};
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

/// What computes: [`crate::engine::Engine::generate`], or a stand-in under test.
pub type Generate<'a> = &'a dyn Fn(&RunConfig, &mut dyn FnMut(Progress)) -> std::result::Result<Outcome, EngineError>;

/// Generates and writes all results; `report.json` comes last, so a folder that has one is complete. Returns nothing if all
/// images of a batch were there already.
pub fn run(config: &RunConfig, generate: Generate<'_>) -> Result<Option<Report>> {
    tracing::info!(model = config.model.name, mode = ?config.mode, images = config.images(), "starting");
    let out = OutputDir::prepare(&config.out)?;
    let mut ledger = match &config.batch {
        Some(batch) => Some(Ledger::open(&out, batch)?),
        None => {
            out.begin()?;
            None
        }
    };
    let left: Vec<usize> = match &ledger {
        Some(ledger) => ledger.left(config)?,
        None => (0..config.images()).collect(),
    };
    let (kept, at_once) = (config.images() - left.len(), config.batch.as_ref().map_or(left.len(), |b| b.at_once));
    if left.is_empty() {
        return Ok(None);
    }
    out.withdraw()?;
    let mut reporter = Reporter::new(config.quiet);
    let (mut report, mut shown, mut done): (Option<Report>, Vec<_>, _) = (None, vec![], 0);
    for portion in left.chunks(at_once.max(1)) {
        let part = config.part(portion);
        let outcome =
            generate(&part, &mut |event| reporter.event(&of_all(event, done..done + portion.len(), left.len())))?;
        let pictures = check(&part, &outcome)?;
        let next = Report::new(&part, &outcome)?;
        for (png, at) in pictures.to_pngs()?.iter().zip(portion) {
            out.write(&images::file_name(config.number(*at)), png)?;
        }
        if let Some(ledger) = &mut ledger {
            ledger.add(config, portion)?;
        }
        match &mut report {
            Some(report) => report.join(next),
            None => report = Some(next),
        }
        shown.push(pictures);
        done += portion.len();
    }
    reporter.finish();
    let mut report = report.ok_or_else(|| Error::Images("no image came out".into()))?;
    report.kept = kept as u64;
    let shown = Pictures::joined(shown, SHOWN);
    out.write(output::GRID, &shown.grid()?)?;
    if !config.json_only {
        out.write(output::PAGE, html::page(&report, &shown.to_pngs()?).as_bytes())?;
    }
    out.write(output::REPORT, report.to_json()?.as_bytes())?;
    Ok(Some(report))
}

/// The progress of a portion as that of everything that is left.
fn of_all(event: Progress, portion: Range<usize>, left: usize) -> Progress {
    match event {
        Progress::Steps { done, total } => {
            let steps = total / portion.len().max(1) as u64;
            Progress::Steps { done: steps * portion.start as u64 + done, total: steps * left as u64 }
        }
        other => other,
    }
}

/// The pictures of an outcome that is what was asked for.
fn check(config: &RunConfig, outcome: &Outcome) -> Result<Pictures> {
    if outcome.extents[0] != config.images() {
        let (got, asked) = (outcome.extents[0], config.images());
        return Err(Error::Images(format!("{got} images came out where {asked} were asked for")));
    }
    Pictures::from_floats(&outcome.images, outcome.extents)
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
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::synthetic;

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("readable")
            .map(|e| e.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
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
        let report = report.expect("a finished job").expect("something to draw");
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

    /// A batch of five prompts with these flags.
    fn batch(dir: &Path, flags: &[&str]) -> RunConfig {
        let file = dir.join("prompts.txt");
        fs::write(&file, "one\ntwo\nthree\nfour\nfive\n").expect("temporary file");
        let flags = [&["--prompts", file.to_str().expect("a plain path"), "--batch", "2"], flags].concat();
        synthetic::resolve_text(dir, &flags).expect("good settings")
    }

    /// Runs a batch until `most` portions are drawn; how many images each had.
    fn drawn(config: &RunConfig, most: usize) -> (Result<Option<Report>>, Vec<usize>) {
        let portions = std::cell::RefCell::new(vec![]);
        let report = run(config, &|part, _| {
            if portions.borrow().len() == most {
                return Err("the power went out".into());
            }
            portions.borrow_mut().push(part.images());
            Ok(synthetic::outcome(part.images()))
        });
        (report, portions.into_inner())
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
        assert_eq!(report.rounds, 2 * synthetic::outcome(1).rounds);
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
        let text = run(&single, &|_, _| Ok(synthetic::outcome(4))).expect_err("a batch is there").one_line();
        assert!(text.contains("the pictures of a batch"), "{text}");
        assert_eq!(files(&config.out), before);
        fs::write(config.out.join("batch.json"), "{}").expect("writable");
        assert!(drawn(&config, 9).0.expect_err("no ledger").one_line().contains("batch.json"));
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
