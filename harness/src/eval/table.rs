//! The figures in rows: for terminals, pages and CSV files.

use std::fmt::Write;

use super::report::{Found, Report};
use super::statistics::Estimate;
use crate::config::Mode;
use crate::units;

type Column = (&'static str, fn(&Found) -> String);

/// What stands where nothing was measured.
const NONE: &str = "\u{2013}";

fn estimate(e: &Option<Estimate>) -> String {
    let short = |v: f64| format!("{v:.3}").trim_start_matches('0').to_owned();
    let text = |e: &Estimate| format!("{:.3} ({}\u{2013}{})", e.value, short(e.low), short(e.high));
    e.as_ref().map_or_else(|| NONE.into(), text)
}

/// As [`estimate`], for figures of any size.
fn wide(e: &Estimate, digits: usize) -> String {
    if e.low == e.high {
        return format!("{:.digits$}", e.value);
    }
    format!("{:.digits$} ({:.digits$}\u{2013}{:.digits$})", e.value, e.low, e.high)
}

fn number(v: Option<f64>, digits: usize) -> String {
    v.map_or_else(|| NONE.into(), |v| format!("{v:.digits$}"))
}

/// Columns of tables for people.
pub const COLUMNS: [Column; 10] = [
    ("", |f| f.name.clone()),
    ("accuracy (95 %)", |f| estimate(&f.accuracy)),
    ("F1 (95 %)", |f| estimate(&f.f1)),
    ("drift (95 %)", |f| estimate(&f.drift)),
    ("distance (95 %)", |f| f.distance.as_ref().map_or_else(|| NONE.into(), |e| wide(e, 2))),
    ("CLIP (95 %)", |f| estimate(&f.clip)),
    ("PSNR, dB", |f| number(f.psnr_db, 1)),
    ("SSIM", |f| number(f.ssim, 3)),
    ("time", |f| units::seconds(f.seconds)),
    ("online, both ways", |f| match f.row.mode {
        Mode::Secure => units::bytes(f.online_bytes),
        Mode::Plain => NONE.into(),
    }),
];

/// Columns that hold something, and the paper's where it has rows like these.
pub fn columns(report: &Report) -> Vec<Column> {
    let filled = |(_, f): &&Column| report.rows.iter().any(|r| f(r) != NONE);
    let mut columns: Vec<Column> = COLUMNS.iter().filter(filled).copied().collect();
    if report.rows.iter().any(|r| r.paper.is_some()) {
        columns.push(("the paper's", |f| f.paper.clone().unwrap_or_else(|| NONE.into())));
    }
    columns
}

/// What the columns mean.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(judge) = &report.judge {
        notes.push(format!(
            "accuracy, F1: of the requested class, by a {judge}; intervals by Wilson and by 1,000 resamples."
        ));
    }
    if report.rows.iter().any(|r| r.drift.is_some()) {
        notes.push(
            "drift: of the images whose unconditional sibling shows another class than requested, the share that shows it."
                .into(),
        );
    }
    if let Some(distance) = &report.distance {
        notes.push(format!(
            "distance: Frechet distance to real images, {distance}; biased upward for few images; intervals of 1.96 \
             deviations of 200 resamples."
        ));
    }
    if report.rows.iter().any(|r| r.clip.is_some()) {
        notes.push("CLIP: mean cosine of image and prompt; intervals by 1,000 resamples.".into());
    }
    if report.rows.iter().any(|r| r.against.is_some()) {
        notes
            .push("PSNR, SSIM: to the exact images of the same noise; on shares, to the same row in plaintext.".into());
    }
    let broken: usize = report.rows.iter().map(|r| r.broken).sum();
    if broken > 0 {
        notes.push(format!(
            "{} hold values that are no numbers; they count as grey there.",
            units::plural(broken as u64, "image")
        ));
    }
    if report.rows.iter().any(|r| r.paper.is_some()) {
        notes.push(
            "The paper's figures are of other models, data and feature networks: only directions can be compared."
                .into(),
        );
    }
    notes
}

/// The table for terminals.
pub fn text(report: &Report) -> String {
    let images = units::plural(report.images as u64, "image");
    let a = &report.adapter;
    let mut text = format!(
        "{}: {}, {images} a row, seed {}, {} ({})\n\n",
        report.title, report.model, report.seed, a.name, a.backend
    );
    let columns = columns(report);
    let heading = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows = report.rows.iter().map(|row| columns.iter().map(|(_, f)| f(row)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    text += &units::aligned(&lines);
    text.push('\n');
    for note in notes(report) {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// All figures, a line for each row.
pub fn csv(report: &Report) -> String {
    let mut text = String::from("row,images");
    for name in ["accuracy", "f1", "drift", "distance", "clip"] {
        let _ = write!(text, ",{name},{name}_low,{name}_high");
    }
    text += ",psnr_db,ssim,outside,broken,seconds,online_bytes,offline_bytes,paper\n";
    let optional = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
    for r in &report.rows {
        let mut entries = vec![quoted(&r.name), report.images.to_string()];
        for e in [&r.accuracy, &r.f1, &r.drift, &r.distance, &r.clip] {
            entries.extend([e.map(|e| e.value), e.map(|e| e.low), e.map(|e| e.high)].map(optional));
        }
        entries.extend([r.psnr_db, r.ssim].map(optional));
        entries.extend([r.outside.to_string(), r.broken.to_string(), r.seconds.to_string()]);
        entries.extend([r.online_bytes.to_string(), r.offline_bytes.to_string()]);
        entries.push(quoted(r.paper.as_deref().unwrap_or("")));
        let _ = writeln!(text, "{}", entries.join(","));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::rows::tests::{guidance, row};
    use super::*;
    use crate::config::Approx;
    use crate::eval::report::SCHEMA;
    use crate::eval::rows::Method;
    use crate::eval::statistics::{around, share};
    use crate::report::Adapter;

    /// Two rows by hand, numbers that no judge found.
    pub(crate) fn report() -> Report {
        let found = |approx, method: Method, hits: usize| Found {
            name: row(approx, method.clone()).name(),
            row: row(approx, method),
            seconds: 12.5,
            accuracy: share(hits, 100),
            f1: None,
            drift: None,
            distance: around(hits, 9, |rows| Some(4.25 + rows.len() as f64 / 100.0)),
            clip: None,
            psnr_db: None,
            ssim: None,
            against: None,
            outside: 0.01,
            broken: 0,
            online_bytes: 0,
            offline_bytes: 0,
            paper: None,
        };
        Report {
            schema: SCHEMA.into(),
            title: "Rows".into(),
            command: "harness eval".into(),
            model: "toy".into(),
            model_digest: "00".into(),
            adapter: Adapter { name: "llvmpipe <b>".into(), ..Adapter::default() },
            images: 100,
            seed: 1,
            judge: Some("classifier of 10 classes".into()),
            distance: Some("FD (features of that classifier, not Inception's)".into()),
            rows: vec![found(Approx::Exact, Method::None, 94), found(Approx::Loose, guidance(0.1), 90)],
        }
    }

    #[test]
    fn tables_show_what_was_measured_and_nothing_else() {
        let mut report = report();
        let text = text(&report);
        assert!(text.contains("0.940 (.8") && text.contains("loose + guidance 0.1 respaced"), "{text}");
        assert!(text.contains("not Inception's"), "{text}");
        assert!(!text.contains("SSIM") && !text.contains("the paper's"), "{text}");
        report.rows[0].paper = Some("FID 13.25".into());
        assert!(super::text(&report).contains("FID 13.25"));
        assert!(!super::text(&report).contains(" FID  "), "no column of ours is called FID");
    }

    #[test]
    fn csv_has_as_many_entries_as_headings() {
        let csv = csv(&report());
        let counts: Vec<usize> = csv.lines().map(|l| l.split(',').count()).collect();
        assert_eq!(counts, [25, 25, 25]);
    }
}
