//! The figures as one self-contained page. No scripts, nothing loaded from outside.

use super::report::Report;
use super::table::{COLUMNS, RATIOS, ratio, stated};
use super::{Result, picture};
use crate::html::markup::{escape, facts, row};
use crate::html::{WIDE, framed, leaks};
use crate::units;

const MAIN: &str = include_str!("main.html");

/// The page of a report.
pub fn page(report: &Report) -> Result<String> {
    let plot = match picture::possible(report) {
        true => format!("<figure class=\"plot\">{}</figure>", picture::svg(report)?),
        false => String::new(),
    };
    let operations = units::plural(report.rows.len() as u64, "operation");
    let values = [
        ("title", escape(&format!("{operations} on shares \u{b7} Masque"))),
        ("heading", escape(&format!("{operations} on shares"))),
        ("subtitle", escape(&format!("{} \u{b7} {} link", report.head.adapter.name, report.link))),
        ("leaks", leaks(&report.leaks)),
        ("picture", plot),
        ("rows", rows(report)),
        ("ratios", ratios(report)),
        ("settings", settings(report)),
        ("footer", format!("Made from the figures that --json writes ({}).", escape(&report.head.schema))),
    ];
    Ok(framed(MAIN, WIDE, &values))
}

fn rows(report: &Report) -> String {
    let heading = row("th", COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    let rows: String = report.rows.iter().map(|r| row("td", COLUMNS.iter().map(|(_, f)| f(r)))).collect();
    format!("<table>{heading}{rows}</table>")
}

fn ratios(report: &Report) -> String {
    if report.ratios.is_empty() {
        return String::new();
    }
    let first = |text: &str| std::iter::once(text.to_owned());
    let heading = row("th", first("Operation").chain(RATIOS.iter().map(|(h, ..)| (*h).to_owned())));
    let ours: String = report
        .ratios
        .iter()
        .map(|r| {
            let name = format!("{} {}", r.op, r.form);
            row("td", first(name.trim_end()).chain(RATIOS.iter().map(|(h, f, _)| ratio(h, f(r)))))
        })
        .collect();
    let paper = RATIOS.iter().map(|(h, _, s)| s.as_ref().map_or_else(|| "\u{2013}".into(), |s| stated(h, s)));
    let paper = row("td", first("The paper, over SiLU, GeLU and exp").chain(paper));
    format!("<h2>Loose against precise</h2><div class=\"scroll\"><table>{heading}{ours}{paper}</table></div>")
}

fn settings(report: &Report) -> String {
    let a = &report.head.adapter;
    let rows = [
        ("Command", report.head.command.clone()),
        ("Adapter", a.name.clone()),
        ("Driver", format!("{} ({})", a.driver, a.backend)),
        ("Integer kernels", format!("{:?}", a.kernels).to_lowercase()),
        ("Processor cores", report.head.cores.to_string()),
        ("Link", report.link.clone()),
        ("Timed repetitions", report.repeat.to_string()),
    ];
    facts(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn a_page_is_complete_and_self_contained() {
        let mut report = report();
        report.head.adapter.name = "<script>&".into();
        report.leaks = vec!["row maxima".into()];
        let html = page(&report).unwrap();
        assert!(!html.contains("{{"), "an unfilled place");
        for outside in ["<script", "https://", "url(", "@import", "<link"] {
            assert!(!html.contains(outside), "the page refers to {outside}");
        }
        for part in ["<svg", "silu precise", "x26.50", "row maxima", "&lt;script&gt;"] {
            assert!(html.contains(part), "{part} is missing");
        }
    }

    #[test]
    fn a_page_without_pairs_has_no_picture() {
        let mut report = report();
        report.rows.retain(|r| r.approx.is_none());
        report.ratios.clear();
        let html = page(&report).unwrap();
        assert!(!html.contains("<svg") && html.contains("relu"));
    }
}
