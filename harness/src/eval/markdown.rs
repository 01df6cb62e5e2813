//! The figures as a section of a page in Markdown, so that pages with results are made and not typed.

use std::fmt::Write;
use std::path::Path;

use super::report::Report;
use super::table::{columns, notes};
use crate::error::{Error, Result};
use crate::units;

/// The section: what was run, the table, what its columns mean; `plot` names a picture beside the page.
pub fn section(report: &Report, plot: Option<&str>) -> String {
    let columns = columns(report);
    let cell = |text: &str| text.replace('|', "\\|");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = format!(
        "`{}`\n\n{} a row, seed {}, {} ({}). Model SHA-256 {}.\n\n",
        report.command,
        units::plural(report.images as u64, "image"),
        report.seed,
        report.adapter.name,
        report.adapter.backend,
        &report.model_digest[..report.model_digest.len().min(16)]
    );
    text += &line(columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    text += &line(vec!["---".into(); columns.len()]);
    for row in &report.rows {
        text += &line(columns.iter().map(|(_, f)| cell(&f(row))).collect());
    }
    text.push('\n');
    for note in notes(report) {
        let _ = writeln!(text, "- {note}");
    }
    if let Some(plot) = plot {
        let _ = write!(text, "\n![Accuracy of every row with its interval]({plot})\n");
    }
    text
}

/// The page with what stands between its lines `<!-- NAME -->` and `<!-- end NAME -->` replaced.
pub fn replaced(path: &Path, page: &str, name: &str, section: &str) -> Result<String> {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
    let places = page.find(&start).map(|at| at + start.len()).zip(page.find(&end));
    let Some((from, to)) = places.filter(|(from, to)| from <= to) else {
        let what = format!("has no lines {:?} and {end:?} between which the section belongs", start.trim_end());
        return Err(Error::input(path, what));
    };
    Ok(format!("{}\n{}\n{}", &page[..from], section.trim_end(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::table::tests::report;

    #[test]
    fn a_section_has_the_figures_of_every_row() {
        let text = section(&report(), Some("rows.svg"));
        let rows: Vec<&str> = text.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|r| r.matches(" | ").count() == rows[0].matches(" | ").count()), "{text}");
        for part in ["`harness eval`", "seed 1", "0.940 (.8", "not Inception's", "](rows.svg)"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn sections_replace_what_stood_there_and_nothing_else() {
        let path = Path::new("page.md");
        let page = "# A\n<!-- one -->\nold\n<!-- end one -->\ntail\n<!-- two -->\n<!-- end two -->\n";
        let new = replaced(path, page, "one", "new\n").expect("both lines are there");
        assert_eq!(new, page.replace("old\n", "\nnew\n"));
        assert_eq!(replaced(path, &new, "one", "new\n").expect("again"), new);
        let text = replaced(path, page, "three", "new").expect_err("no such lines").one_line();
        assert!(text.contains("<!-- three -->"), "{text}");
    }
}
