//! The figures as one self-contained page with pictures of every row. No scripts, nothing loaded from outside.

use std::fmt::Write;

use super::report::Report;
use super::statistics::Estimate;
use super::table::{columns, notes};
use crate::html::markup::{escape, facts, row, to_base64};
use crate::html::{WIDE, framed};
use crate::units;

const MAIN: &str = include_str!("main.html");
/// Extents of the plot: a line for each row, names left of the axis.
const LINE: f64 = 26.0;
const AXIS: (f64, f64) = (330.0, 760.0);

/// The page of a report; `grids` are PNG files, one a row.
pub fn page(report: &Report, grids: &[Vec<u8>]) -> String {
    let images = units::plural(report.images as u64, "image");
    let list: String = notes(report).iter().map(|n| format!("<p class=\"note\">{}</p>", escape(n))).collect();
    let values = [
        ("title", escape(&format!("{} \u{b7} Masque", report.title))),
        ("heading", escape(&report.title)),
        ("subtitle", escape(&format!("{} \u{b7} {images} a row \u{b7} {}", report.model, report.adapter.name))),
        ("plot", plot(report)),
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

/// Accuracy of every row with its interval, on an axis from 0 to 1.
fn plot(report: &Report) -> String {
    let judged: Vec<(&str, Estimate)> =
        report.rows.iter().filter_map(|r| Some((r.name.as_str(), r.accuracy?))).collect();
    if judged.is_empty() {
        return String::new();
    }
    let (left, right) = AXIS;
    let x = |v: f64| left + v * (right - left);
    let height = LINE * (judged.len() as f64 + 1.5);
    let mut svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {height}\" font-size=\"13\">");
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = write!(
            svg,
            "<path d=\"M{0} 8V{1}\" stroke=\"#c8c4bc\"/><text x=\"{0}\" y=\"{2}\" text-anchor=\"middle\" \
             fill=\"#76736c\">{tick}</text>",
            x(tick),
            height - LINE,
            height - 8.0
        );
    }
    for (i, (name, e)) in judged.iter().enumerate() {
        let y = LINE * (i as f64 + 0.5) + 8.0;
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"currentColor\">{}</text>\
             <path d=\"M{} {y}H{}\" stroke=\"#3f8f5a\" stroke-width=\"2\"/><circle cx=\"{}\" cy=\"{y}\" r=\"5\" fill=\"#3f8f5a\"/>",
            left - 12.0,
            y + 4.0,
            escape(name),
            x(e.low),
            x(e.high),
            x(e.value)
        );
    }
    svg + "</svg><p class=\"note\">Accuracy of the requested class with 95 % intervals</p>"
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
        let html = page(&report(), &[vec![1, 2, 3], vec![4]]);
        assert!(!html.contains("{{"), "an unfilled place");
        for outside in ["<script", "https://", "url(", "@import", "<link", "<b>"] {
            assert!(!html.contains(outside), "the page refers to {outside}");
        }
        assert_eq!(html.matches("<circle").count(), 2);
        for part in ["llvmpipe &lt;b&gt;", "loose + guidance 0.1 respaced", "base64,AQID", "not Inception"] {
            assert!(html.contains(part), "{part} is missing");
        }
    }

    #[test]
    fn without_a_judge_there_is_no_plot() {
        let mut report = report();
        report.rows.iter_mut().for_each(|r| r.accuracy = None);
        assert!(!page(&report, &[]).contains("<svg"));
    }
}
