//! Accuracy of every row with its interval, as a picture.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::Report;
use super::statistics::Estimate;
use crate::bench::picture::font;
use crate::error::{Error, Result};

/// Width of the picture, the part of it for names, and height of a row.
const WIDTH: u32 = 960;
const NAMES: u32 = 400;
const ROW: u32 = 26;
const INK: RGBColor = RGBColor(0x2b, 0x2a, 0x28);
const GREEN: RGBColor = RGBColor(0x3f, 0x8f, 0x5a);

/// The picture as an SVG document; none where no judge looked.
pub fn svg(report: &Report) -> Result<Option<String>> {
    let judged: Vec<(&str, Estimate)> =
        report.rows.iter().filter_map(|r| Some((r.name.as_str(), r.accuracy?))).collect();
    if judged.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    draw(&mut text, &judged).map_err(|e| Error::Setting(format!("no plot: {e}")))?;
    Ok(Some(text))
}

fn draw(text: &mut String, judged: &[(&str, Estimate)]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    font();
    let area = SVGBackend::with_string(text, (WIDTH, ROW * judged.len() as u32 + 76)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..1.0, judged.len() as f64..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(6)
        .x_desc("accuracy of the requested class, 95 % intervals")
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .light_line_style(WHITE)
        .draw()?;
    let at = |i: usize| i as f64 + 0.5;
    let name = TextStyle::from(("sans-serif", 14).into_font()).color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
    chart.draw_series(
        judged
            .iter()
            .enumerate()
            .map(|(i, (row, _))| EmptyElement::at((0.0, at(i))) + Text::new((*row).to_owned(), (-12, 0), name.clone())),
    )?;
    let line = |(i, (_, e)): (usize, &(&str, Estimate))| {
        PathElement::new(vec![(e.low, at(i)), (e.high, at(i))], GREEN.stroke_width(2))
    };
    chart.draw_series(judged.iter().enumerate().map(line))?;
    let mark = |(i, (_, e)): (usize, &(&str, Estimate))| Circle::new((e.value, at(i)), 5, GREEN.filled());
    chart.draw_series(judged.iter().enumerate().map(mark))?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::table::tests::report;

    #[test]
    fn every_judged_row_has_its_name_and_place() {
        let mut report = report();
        let picture = svg(&report).expect("drawn").expect("two rows were judged");
        for part in ["<svg", "exact", "loose + guidance 0.1 respaced", "accuracy of the requested class"] {
            assert!(picture.contains(part), "{part} is missing");
        }
        // Accuracies of .94 and .90, from left to right over the width that names leave.
        let places: Vec<f64> = picture
            .match_indices("<circle cx=\"")
            .map(|(i, m)| picture[i + m.len()..].split('"').next().unwrap_or("").parse().expect("a number"))
            .collect();
        let expected = [0.94, 0.9].map(|v| 414.0 + v * (960.0 - 414.0 - 14.0));
        assert_eq!(places.len(), 2);
        assert!(places.iter().zip(expected).all(|(p, e)| (p - e).abs() < 2.0), "{places:?} {expected:?}");
        report.rows.iter_mut().for_each(|r| r.accuracy = None);
        assert_eq!(svg(&report).expect("nothing to draw"), None);
    }
}
