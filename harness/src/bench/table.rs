//! The figures as a table for terminals, and as CSV.

use std::fmt::Write;

use super::published::{self, Stated};
use super::report::{Ratio, Report, Row, Spread};
use crate::units;

/// One column: heading, and a row's entry.
type Column = (&'static str, fn(&Row) -> String);

fn each(bytes: u64, row: &Row) -> String {
    number(row.per_element(bytes))
}

/// Three significant digits, or more where there are more in front of the point.
pub fn number(v: f64) -> String {
    match v {
        0.0 => "0".into(),
        v if v < 9.995 => format!("{v:.3}"),
        v if v < 99.95 => format!("{v:.2}"),
        v => format!("{v:.0}"),
    }
}

/// A small number.
pub fn small(v: f64) -> String {
    if v == 0.0 { "0".into() } else { format!("{v:.2e}") }
}

/// Elements, as a power of two where it is one.
pub fn elements(n: u64) -> String {
    if n.is_power_of_two() && n >= 1024 { format!("2^{}", n.trailing_zeros()) } else { units::count(n) }
}

fn spread(s: &Spread) -> String {
    format!("{} ({}\u{2013}{})", units::seconds(s.median), units::seconds(s.min), units::seconds(s.max))
}

/// The columns, also of the page.
pub const COLUMNS: [Column; 15] = [
    ("operation", Row::name),
    ("elements", |r| if r.size.is_empty() { elements(r.elements) } else { r.size.clone() }),
    ("total", |r| spread(&r.total_s)),
    ("compute", |r| units::seconds(r.compute_s.median)),
    ("network", |r| units::seconds(r.network_s.median)),
    ("offline", |r| units::seconds(r.offline_s.median)),
    ("to server B", |r| each(r.to_server_bytes, r)),
    ("to client B", |r| each(r.to_client_bytes, r)),
    ("offline B", |r| each(r.offline_bytes, r)),
    ("rounds", |r| format!("{}", r.rounds)),
    ("MSE", |r| small(r.mse)),
    ("plain MSE", |r| r.plain_mse.map_or_else(|| "\u{2013}".into(), small)),
    ("secure/plain", |r| r.mse_ratio().map_or_else(|| "\u{2013}".into(), |v| format!("{v:.3}"))),
    ("CrypTen B", |r| known(published::peers(&r.op, r.approx.as_deref()).0)),
    ("SPU B", |r| known(published::peers(&r.op, r.approx.as_deref()).1)),
];

fn known(bytes: Option<u32>) -> String {
    bytes.map_or_else(|| "\u{2013}".into(), |b| b.to_string())
}

/// A column of ratios: heading, ours, and what the paper states.
type Compared = (&'static str, fn(&Ratio) -> f64, Option<Stated>);

/// Loose over precise.
pub const RATIOS: [Compared; 5] = [
    ("latency", |r| r.latency, Some(published::LATENCY)),
    ("online bytes", |r| r.online_bytes, Some(published::BYTES)),
    ("offline bytes", |r| r.offline_bytes, None),
    ("MSE", |r| r.mse, Some(published::MSE)),
    ("plain MSE", |r| r.plain_mse, None),
];

/// A ratio for people: errors as factors, costs as changes.
pub fn ratio(heading: &str, value: f64) -> String {
    if heading.contains("MSE") { format!("x{value:.2}") } else { format!("{:+.2} %", (value - 1.0) * 100.0) }
}

/// The paper's range.
pub fn stated(heading: &str, stated: &Stated) -> String {
    format!("{} to {}", ratio(heading, stated.range.0), ratio(heading, stated.range.1))
}

/// The table for terminals.
pub fn text(report: &Report) -> String {
    let a = &report.head.adapter;
    let mut text = format!(
        "{} ({}), {} link, {} timed, medians (smallest\u{2013}largest)\n\n",
        a.name,
        a.backend,
        report.link,
        units::plural(report.repeat as u64, "repetition")
    );
    let heading = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows = report.rows.iter().map(|row| COLUMNS.iter().map(|(_, f)| f(row)).collect());
    text += &units::aligned(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    text += "\nBytes an element, each way; CrypTen and SPU: both ways together, corrections not counted.\n";
    if !report.ratios.is_empty() {
        let heading =
            std::iter::once("loose against precise".to_owned()).chain(RATIOS.iter().map(|(h, ..)| (*h).to_owned()));
        let ours = report.ratios.iter().map(|r| {
            let name = format!("{} {}", r.op, r.form).trim_end().to_owned();
            std::iter::once(name).chain(RATIOS.iter().map(|(h, f, _)| ratio(h, f(r)))).collect()
        });
        let paper = std::iter::once("paper, SiLU, GeLU, exp".to_owned())
            .chain(RATIOS.iter().map(|(h, _, s)| s.as_ref().map_or_else(|| "\u{2013}".into(), |s| stated(h, s))));
        let lines: Vec<Vec<String>> = std::iter::once(heading.collect()).chain(ours).chain([paper.collect()]).collect();
        let _ = write!(text, "\n{}", units::aligned(&lines));
    }
    for leak in &report.leaks {
        let _ = writeln!(text, "WARNING  {leak}");
    }
    text
}

/// All figures, a line for each row.
pub fn csv(report: &Report) -> String {
    let mut text = String::from(
        "op,approx,form,size,low,high,elements,pieces,link,total_s,total_min_s,total_max_s,compute_s,compute_min_s,\
         compute_max_s,network_s,network_min_s,network_max_s,offline_s,offline_min_s,offline_max_s,cpu_s,to_server_bytes,to_client_bytes,offline_bytes,rounds,mse,plain_mse,max_error\n",
    );
    let optional = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for r in &report.rows {
        let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
        let entries = [
            quoted(&r.op),
            quoted(r.approx.as_deref().unwrap_or("")),
            quoted(&r.form),
            quoted(&r.size),
            optional(r.range.map(|r| r.0)),
            optional(r.range.map(|r| r.1)),
            r.elements.to_string(),
            r.pieces.to_string(),
            quoted(&report.link),
            r.total_s.median.to_string(),
            r.total_s.min.to_string(),
            r.total_s.max.to_string(),
            r.compute_s.median.to_string(),
            r.compute_s.min.to_string(),
            r.compute_s.max.to_string(),
            r.network_s.median.to_string(),
            r.network_s.min.to_string(),
            r.network_s.max.to_string(),
            r.offline_s.median.to_string(),
            r.offline_s.min.to_string(),
            r.offline_s.max.to_string(),
            optional(r.cpu_s.map(|s| s.median)),
            r.to_server_bytes.to_string(),
            r.to_client_bytes.to_string(),
            r.offline_bytes.to_string(),
            r.rounds.to_string(),
            r.mse.to_string(),
            optional(r.plain_mse),
            r.max_error.to_string(),
        ];
        let _ = writeln!(text, "{}", entries.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn text_shows_every_row_and_the_paper() {
        let text = text(&report());
        for part in [
            "silu precise",
            "exp loose",
            "relu",
            "CrypTen",
            "1456",
            "-35.60 % to -14.05 %",
            "x2.55 to x26.25",
            "x26.50",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }

    #[test]
    fn csv_has_as_many_entries_as_headings() {
        let csv = csv(&report());
        let counts: Vec<usize> = csv.lines().map(|l| l.split(',').count()).collect();
        assert_eq!(counts.len(), report().rows.len() + 1);
        assert!(counts.iter().all(|c| *c == counts[0]), "{counts:?}");
    }
}
