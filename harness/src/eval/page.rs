//! The figures as one self-contained page with pictures of every row. No scripts, nothing loaded from outside.

use std::fmt::Write;

use super::report::Report;
use super::table::{columns, notes};
use crate::html::markup::{escape, facts, row, to_base64};
use crate::html::{WIDE, framed};
use crate::units;

const MAIN: &str = include_str!("main.html");

/// The page of a report; `plot` is an SVG document or nothing, `grids` are PNG files, one a row.
pub fn page(report: &Report, plot: Option<&str>, grids: &[Vec<u8>]) -> String {
    let images = units::plural(report.images as u64, "image");
    let list: String = notes(report).iter().map(|n| format!("<p class=\"note\">{}</p>", escape(n))).collect();
    let values = [
        ("title", escape(&format!("{} \u{b7} Masque", report.title))),
        ("heading", escape(&report.title)),
        ("subtitle", escape(&format!("{} \u{b7} {images} a row \u{b7} {}", report.model, report.adapter.name))),
        ("plot", plot.unwrap_or_default().to_owned()),
        ("rows", rows(report)),
        ("notes", list),
        ("grids", pictures(report, grids)),
        ("settings", settings(report)),
        ("footer", format!("Made from the figures in eval.json ({}).", escape(&report.schema))),
    ];
    framed(MAIN, WIDE, &values)
}

fn rows(report: &Report) -> String {
    let columns = columns(report);
    let heading = row("th", columns.iter().map(|(name, _)| (*name).to_owned()));
    let rows: String = report.rows.iter().map(|r| row("td", columns.iter().map(|(_, f)| f(r)))).collect();
    format!("<table>{heading}{rows}</table>")
}

fn pictures(report: &Report, grids: &[Vec<u8>]) -> String {
    let mut html = String::from("<ul class=\"pictures\">\n");
    for (row, png) in report.rows.iter().zip(grids) {
        let (name, data) = (escape(&row.name), to_base64(png));
        let _ = writeln!(
            html,
            "<li><figure><img src=\"data:image/png;base64,{data}\" alt=\"Images of {name}\">\
             <figcaption>{name}</figcaption></figure></li>"
        );
    }
    html + "</ul>"
}

fn settings(report: &Report) -> String {
    let a = &report.adapter;
    let rows = [
        ("Command", report.command.clone()),
        ("Model", format!("{}, SHA-256 {}", report.model, report.model_digest)),
        ("Adapter", format!("{} ({})", a.name, a.backend)),
        ("Seed", report.seed.to_string()),
        ("Judge", report.judge.clone().unwrap_or_else(|| "none".into())),
    ];
    facts(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::table::tests::report;

    #[test]
    fn a_page_is_complete_and_self_contained() {
        let html = page(&report(), Some("<svg></svg>"), &[vec![1, 2, 3], vec![4]]);
        assert!(!html.contains("{{"), "an unfilled place");
        for outside in ["<script", "https://", "url(", "@import", "<link", "<b>"] {
            assert!(!html.contains(outside), "the page refers to {outside}");
        }
        for part in
            ["llvmpipe &lt;b&gt;", "loose + guidance 0.1 respaced", "base64,AQID", "not Inception", "<svg></svg>"]
        {
            assert!(html.contains(part), "{part} is missing");
        }
    }
}
