//! Figure 1: mean square error, latency and communication of SiLU, GeLU and exp, precise in grey and loose in green.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Result;
use super::report::{Report, Row};
use crate::units;

/// DejaVu Sans, so that pictures look the same everywhere and need no font of the system.
const FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");
const SIZE: (u32, u32) = (1140, 430);
/// Pixels of the PNG for each unit. Even, because glyphs of an odd height are placed half a pixel off.
const SCALE: u32 = 2;

const INK: RGBColor = RGBColor(0x2b, 0x2a, 0x28);
const SOFT: RGBColor = RGBColor(0x76, 0x73, 0x6c);
const RULE: RGBColor = RGBColor(0xe2, 0xde, 0xd6);
/// Precise and loose; lighter for what is done offline.
const BARS: [[RGBColor; 2]; 2] = [
    [RGBColor(0x8c, 0x8c, 0x8c), RGBColor(0xd3, 0xd3, 0xd3)],
    [RGBColor(0x3f, 0x8f, 0x5a), RGBColor(0xb6, 0xdc, 0xc1)],
];
/// Operations of the picture with their names in it.
pub const OPS: [(&str, &str); 3] = [("silu", "SiLU"), ("gelu", "GeLU"), ("exp", "exp")];

/// Values of one kind for the operations that were measured.
struct Panel {
    title: String,
    /// For each operation: name, and for precise and loose what is online and what is added offline.
    groups: Vec<(&'static str, [(f64, f64); 2])>,
    log: bool,
    label: fn(f64) -> String,
    ratio: fn(f64) -> String,
}

/// Three significant digits.
fn short(v: f64) -> String {
    match v {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

fn percent(r: f64) -> String {
    format!("{}{:.1} %", if r < 1.0 { "\u{2212}" } else { "+" }, (r - 1.0).abs() * 100.0)
}

/// Rows of an operation in both approximations.
fn pair<'a>(report: &'a Report, op: &str) -> Option<[&'a Row; 2]> {
    let row = |set: &str| report.rows.iter().find(|r| r.op == op && r.approx.as_deref() == Some(set));
    Some([row("precise")?, row("loose")?])
}

/// Whether there is anything to draw.
pub fn possible(report: &Report) -> bool {
    OPS.iter().any(|(op, _)| pair(report, op).is_some())
}

fn panels(report: &Report) -> [Panel; 3] {
    let groups = |f: &dyn Fn(&Row) -> (f64, f64)| {
        let values = OPS.iter().filter_map(|(op, name)| Some((*name, pair(report, op)?.map(f))));
        values.collect::<Vec<_>>()
    };
    let slow = report.rows.iter().any(|r| OPS.iter().any(|(op, _)| r.op == *op) && r.total_s.median > 1.0);
    let (unit, factor) = if slow { ("s", 1.0) } else { ("ms", 1e3) };
    [
        Panel {
            title: "Mean square error".into(),
            groups: groups(&|r| (r.mse, 0.0)),
            log: true,
            label: |v| format!("{v:.1e}"),
            ratio: |r| format!("\u{d7}{r:.2}"),
        },
        Panel {
            title: format!("Latency, {unit}"),
            groups: groups(&|r| (r.total_s.median * factor, r.offline_s.median * factor)),
            log: false,
            label: short,
            ratio: percent,
        },
        Panel {
            title: "Communication, bytes an element".into(),
            groups: groups(&|r| (r.per_element(r.online_bytes()), r.per_element(r.offline_bytes))),
            log: false,
            label: short,
            ratio: percent,
        },
    ]
}

/// The picture as an SVG document.
pub fn svg(report: &Report) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&Canvas { area, scale: 1.0 }, report)?;
    }
    Ok(text)
}

/// The picture as a PNG file, at twice the size.
pub fn png(report: &Report) -> Result<Vec<u8>> {
    let (width, height) = (SIZE.0 * SCALE, SIZE.1 * SCALE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&Canvas { area, scale: f64::from(SCALE) }, report)?;
    }
    let image = image::RgbImage::from_raw(width, height, pixels).ok_or("a picture of the declared size")?;
    let mut file = std::io::Cursor::new(vec![]);
    image.write_to(&mut file, image::ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// Registers the font once for the process.
pub fn font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The subset is a well-formed font: a test draws with it.
        let _ = plotters::style::register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// Draws in units that do not depend on the picture's resolution.
struct Canvas<B: DrawingBackend> {
    area: DrawingArea<B, Shift>,
    scale: f64,
}

impl<B: DrawingBackend> Canvas<B>
where
    B::ErrorType: 'static,
{
    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn write(&self, text: &str, at: (f64, f64), size: f64, color: RGBColor, anchor: HPos) -> Result<()> {
        let font = ("sans-serif", size * self.scale).into_font();
        let style = TextStyle::from(font).color(&color).pos(Pos::new(anchor, VPos::Center));
        Ok(self.area.draw(&Text::new(text.to_owned(), self.place(at), style))?)
    }

    fn bar(&self, x: (f64, f64), y: (f64, f64), color: RGBColor) -> Result<()> {
        let corners = [self.place((x.0, y.0)), self.place((x.1, y.1))];
        Ok(self.area.draw(&Rectangle::new(corners, color.filled()))?)
    }

    fn line(&self, x: (f64, f64), y: f64, color: RGBColor) -> Result<()> {
        Ok(self.area.draw(&PathElement::new(vec![self.place((x.0, y)), self.place((x.1, y))], color))?)
    }
}

fn draw<B: DrawingBackend>(canvas: &Canvas<B>, report: &Report) -> Result<()>
where
    B::ErrorType: 'static,
{
    if !possible(report) {
        return Err("the picture needs precise and loose rows of silu, gelu or exp".into());
    }
    font();
    canvas.area.fill(&WHITE)?;
    let width = f64::from(SIZE.0) / 3.0;
    for (i, panel) in panels(report).iter().enumerate() {
        draw_panel(canvas, panel, (width * i as f64 + 62.0, width * (i + 1) as f64 - 18.0))?;
    }
    let legend = [("precise", BARS[0][0]), ("loose", BARS[1][0]), ("precise, offline", BARS[0][1])];
    let legend = legend.into_iter().chain([("loose, offline", BARS[1][1])]);
    let y = f64::from(SIZE.1) - 22.0;
    for (i, (name, color)) in legend.enumerate() {
        let x = 62.0 + 135.0 * i as f64;
        canvas.bar((x, x + 12.0), (y - 6.0, y + 6.0), color)?;
        canvas.write(name, (x + 18.0, y), 13.0, SOFT, HPos::Left)?;
    }
    let note = format!("{} \u{b7} {} \u{b7} {}", elements(report), report.link, report.head.adapter.name);
    canvas.write(&note, (f64::from(SIZE.0) - 18.0, y), 13.0, SOFT, HPos::Right)?;
    canvas.area.present()?;
    Ok(())
}

fn elements(report: &Report) -> String {
    let n = OPS.iter().find_map(|(op, _)| pair(report, op)).map_or(0, |p| p[0].elements);
    match n {
        n if n.is_power_of_two() => format!("2^{} elements", n.trailing_zeros()),
        n => units::plural(n, "element"),
    }
}

/// Heights of ticks: decades, or about four round numbers.
fn ticks(log: bool, low: f64, high: f64) -> Vec<f64> {
    if log {
        return (low.round() as i32..=high.floor() as i32).map(f64::from).collect();
    }
    let rough = high / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    (0..).map(|i| f64::from(i) * step).take_while(|v| *v <= high).collect()
}

fn draw_panel<B: DrawingBackend>(canvas: &Canvas<B>, panel: &Panel, (left, right): (f64, f64)) -> Result<()>
where
    B::ErrorType: 'static,
{
    let (top, bottom) = (86.0, f64::from(SIZE.1) - 74.0);
    let scale = |v: f64| if panel.log { v.max(1e-18).log10() } else { v };
    let all = || panel.groups.iter().flat_map(|(_, pair)| pair.iter().map(|(on, off)| scale(on + off)));
    let most = all().fold(f64::MIN, f64::max);
    let low = if panel.log { all().fold(f64::MAX, f64::min).floor() - 1.0 } else { 0.0 };
    let high = if panel.log { most } else { most.max(1e-9) };
    let y = |v: f64| bottom - (scale(v) - low).max(0.0) / (high - low) * (bottom - top);
    canvas.write(&panel.title, (left, 24.0), 17.0, INK, HPos::Left)?;
    for tick in ticks(panel.log, low, high) {
        let at = y(if panel.log { 10f64.powf(tick) } else { tick });
        canvas.line((left, right), at, RULE)?;
        let text = if panel.log { format!("1e{tick:.0}") } else { format!("{}", (tick * 1e6).round() / 1e6) };
        canvas.write(&text, (left - 6.0, at), 12.0, SOFT, HPos::Right)?;
    }
    let step = (right - left) / panel.groups.len() as f64;
    for (i, (name, pair)) in panel.groups.iter().enumerate() {
        let centre = left + step * (i as f64 + 0.5);
        let wide = (step * 0.32).min(44.0);
        for (j, (online, offline)) in pair.iter().enumerate() {
            let x = if j == 0 { (centre - wide - 2.0, centre - 2.0) } else { (centre + 2.0, centre + wide + 2.0) };
            canvas.bar(x, (y(*online), bottom), BARS[j][0])?;
            if *offline > 0.0 {
                canvas.bar(x, (y(online + offline), y(*online)), BARS[j][1])?;
            }
            // The sum stands above the bar, what is online within it where there is room.
            let (middle, top, inner) = ((x.0 + x.1) / 2.0, y(online + offline) - 9.0, y(*online) - 9.0);
            canvas.write(&(panel.label)(online + offline), (middle, top), 11.0, INK, HPos::Center)?;
            if inner - top > 14.0 {
                canvas.write(&(panel.label)(*online), (middle, inner), 11.0, INK, HPos::Center)?;
            }
        }
        let ratio = pair[1].0 / pair[0].0;
        canvas.write(&(panel.ratio)(ratio), (centre, 56.0), 14.0, BARS[1][0], HPos::Center)?;
        canvas.write(name, (centre, bottom + 16.0), 14.0, INK, HPos::Center)?;
    }
    canvas.line((left, right), bottom, SOFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn pictures_show_bars_and_numbers() {
        let report = report();
        let svg = svg(&report).unwrap();
        assert!(svg.contains("<svg") && svg.matches("<rect").count() >= 3 * 6 + 2 * 6 + 4, "{svg}");
        for text in ["SiLU", "GeLU", "exp", "Latency", "\u{d7}26.50", "\u{2212}10.8 %", "20.8", "228"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        let png = png(&report).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (SIZE.0 * SCALE, SIZE.1 * SCALE));
        let has = |c: RGBColor| picture.pixels().any(|p| p.0 == [c.0, c.1, c.2]);
        assert!(has(BARS[0][0]) && has(BARS[1][0]) && has(BARS[0][1]), "a bar is missing");
        assert!(has(INK), "text is missing");
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let mut report = report();
        report.rows.retain(|r| r.approx.as_deref() != Some("loose"));
        assert!(svg(&report).is_err() && png(&report).is_err());
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(false, 0.0, 0.9), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(ticks(true, -7.0, -3.3), [-7.0, -6.0, -5.0, -4.0]);
    }
}
