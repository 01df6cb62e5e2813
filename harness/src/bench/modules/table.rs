//! The figures as a table for terminals, and as CSV.

use std::fmt::Write;

use super::report::{Report, Row};
use crate::bench::published;
use crate::units;

/// What nobody states.
const UNKNOWN: &str = "\u{2013}";

/// The table for terminals: a column for each module, beside it the paper's if it has one.
pub fn text(report: &Report) -> String {
    let a = &report.head.adapter;
    let dealt = if report.dealt_before { "before the parties compute" } else { "while the parties compute" };
    let mut text = format!(
        "{}, {}, {}; {} ({}), dealt {dealt}, medians of {}\n\n",
        report.model,
        report.approx,
        units::plural(report.count as u64, "image"),
        a.name,
        a.backend,
        units::plural(report.repeat as u64, "repetition"),
    );
    let heading = ["one evaluation", "compute", "to server", "to client", "offline", "offline bytes", "rounds"];
    let links = report.rows.first().map_or(vec![], |r| r.times.iter().map(|t| t.link.clone()).collect());
    let heading = heading.map(str::to_owned).into_iter().chain(links).chain(["relative error".to_owned()]);
    let mut lines: Vec<Vec<String>> = vec![heading.collect()];
    for row in &report.rows {
        lines.push(ours(row));
        lines.extend(paper(row));
    }
    text += &units::aligned(&lines);
    text += "\nWeights are shared once a session:";
    for (i, row) in report.rows.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let (bytes, seconds) = (units::bytes(row.setup_bytes), units::seconds(row.setup_s));
        let _ = write!(text, "{comma} {} {bytes} in {seconds}", row.module);
    }
    text += ".\n";
    if report.rows.iter().any(|r| published(r).is_some()) {
        text += "Paper: its Table 9, Stable Diffusion v1.5 at 512x512, precise functions, bytes of both directions together.\n";
    }
    text
}

fn ours(row: &Row) -> Vec<String> {
    let cells = [
        format!("{} {}", row.module, extents(row)),
        units::seconds(row.compute_s.median),
        units::bytes(row.to_server_bytes),
        units::bytes(row.to_client_bytes),
        units::seconds(row.offline_s.median),
        units::bytes(row.offline_bytes),
        row.rounds.to_string(),
    ];
    let times = row.times.iter().map(|t| units::seconds(t.total_s.median));
    cells.into_iter().chain(times).chain([format!("{:.1e}", row.relative_error)]).collect()
}

fn published(row: &Row) -> Option<&'static published::Module> {
    published::module(&row.module, "precise")
}

/// The paper's figures: one time, and bytes of both directions.
fn paper(row: &Row) -> Option<Vec<String>> {
    let paper = published(row)?;
    let mut cells = vec!["  paper".to_owned()];
    cells.resize(8 + row.times.len(), UNKNOWN.into());
    cells[1] = units::seconds(paper.seconds);
    cells[2] = format!("{} GB", paper.gigabytes);
    cells[3] = "(both)".into();
    Some(cells)
}

fn extents(row: &Row) -> String {
    row.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// All figures, a line for each module and link.
pub fn csv(report: &Report) -> String {
    let mut text = String::from(
        "module,shape,link,total_s,total_min_s,total_max_s,compute_s,offline_s,to_server_bytes,to_client_bytes,\
         offline_bytes,rounds,setup_s,setup_bytes,parameters,macs,max_error,relative_error,paper_s,paper_gb\n",
    );
    for (row, time) in report.rows.iter().flat_map(|r| r.times.iter().map(move |t| (r, t))) {
        let paper = published(row).map(|p| (p.seconds, p.gigabytes));
        let optional = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
        let entries = [
            row.module.clone(),
            extents(row),
            format!("\"{}\"", time.link),
            time.total_s.median.to_string(),
            time.total_s.min.to_string(),
            time.total_s.max.to_string(),
            row.compute_s.median.to_string(),
            row.offline_s.median.to_string(),
            row.to_server_bytes.to_string(),
            row.to_client_bytes.to_string(),
            row.offline_bytes.to_string(),
            row.rounds.to_string(),
            row.setup_s.to_string(),
            row.setup_bytes.to_string(),
            row.parameters.to_string(),
            row.macs.to_string(),
            row.max_error.to_string(),
            row.relative_error.to_string(),
            optional(paper.map(|p| p.0)),
            optional(paper.map(|p| p.1)),
        ];
        let _ = writeln!(text, "{}", entries.join(","));
    }
    text
}
