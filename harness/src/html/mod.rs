//! `report.html`: one self-contained page made from the report and the pictures. No scripts, nothing loaded from outside.

mod layers;
pub(crate) mod markup;

use std::fmt::Write;

use crate::config::Mode;
use crate::report::{OfflineBytes, OnlineBytes, Report};
use crate::units;

use markup::{escape, facts, fill, png_size, to_base64};

/// What all pages have in common: head, colours and type, title, footer.
const FRAME: &str = include_str!("frame.html");
const STYLE: &str = include_str!("style.css");
const MAIN: &str = include_str!("main.html");
/// Sizes of pictures.
const PICTURES: &str = include_str!("pictures.css");
/// For pages with wide tables.
pub(crate) const WIDE: &str = include_str!("wide.css");

/// A page: its own part and its own style within the frame. The values are those of all three.
pub(crate) fn framed(main: &str, style: &str, values: &[(&str, String)]) -> String {
    let parts = [("main", fill(main, values)), ("style", STYLE.to_owned() + &fill(style, values))];
    fill(FRAME, &[values, &parts].concat())
}

/// Pictures below this width are shown enlarged, with hard pixel edges.
const TINY: u32 = 128;

/// The page of a report. `pngs` are the pictures' files, in order.
pub fn page(report: &Report, pngs: &[Vec<u8>]) -> String {
    let width = pngs.first().and_then(|png| png_size(png)).map_or(TINY, |(width, _)| width);
    let (shown, rendering) = match width {
        w if w < TINY => (w.max(1) * (196 / w.max(1)).max(1), "pixelated"),
        w => (w.min(384), "auto"),
    };
    let images = units::plural(report.images, "image");
    let heading = match report.mode {
        Mode::Secure => format!("{images} that the server never saw"),
        Mode::Plain => format!("{images}, drawn in plaintext for comparison"),
    };
    let values = [
        ("title", escape(&format!("{images} · {} · Masque", report.model))),
        ("picture_width", shown.to_string()),
        ("rendering", rendering.to_owned()),
        ("heading", escape(&heading)),
        ("subtitle", escape(&subtitle(report))),
        ("pictures", pictures(pngs)),
        ("leaks", leaks(&report.leaks)),
        ("figures", figures(report)),
        ("costs", costs(report)),
        ("layers", layers::section(report)),
        ("settings", settings(report)),
        ("footer", footer(report)),
    ];
    framed(MAIN, PICTURES, &values)
}

fn subtitle(report: &Report) -> String {
    let a = &report.adapter;
    let steps = units::plural(u64::from(report.steps), "step");
    format!("{} · {steps} · {} functions · {}", report.model, name(&report.approx), a.name)
}

fn pictures(pngs: &[Vec<u8>]) -> String {
    let mut html = String::from("<ul class=\"pictures\">\n");
    for (index, png) in pngs.iter().enumerate() {
        let data = to_base64(png);
        let _ = writeln!(
            html,
            "<li><figure><img src=\"data:image/png;base64,{data}\" alt=\"Generated image {index}\">\
             <figcaption>{index:04}</figcaption></figure></li>"
        );
    }
    html + "</ul>"
}

/// What a run revealed beyond the default, if anything.
pub(crate) fn leaks(leaks: &[String]) -> String {
    if leaks.is_empty() {
        return String::new();
    }
    let items: String = leaks.iter().map(|leak| format!("<li>{}</li>", escape(leak))).collect();
    format!(
        "<div class=\"leaks\"><p>This run revealed more than the protocol does by default</p><ul>{items}</ul></div>"
    )
}

/// The few numbers that matter, large.
fn figures(report: &Report) -> String {
    let mut cells = vec![("Time", units::seconds(report.wall_s), per_image(report))];
    if report.mode == Mode::Secure {
        let both = "both directions, after set-up".to_owned();
        cells.push(("Online traffic", units::bytes(report.online_bytes.total()), both));
        cells.push(("Offline traffic", units::bytes(report.offline_bytes.total()), "from the dealer".into()));
        cells.push(("Rounds", units::count(report.rounds), "messages waited for in turn".into()));
    }
    if let Some(f) = report.fidelity {
        let psnr = f.psnr_db.map_or_else(|| "identical".into(), |db| format!("{db:.1} dB"));
        let note = format!("PSNR against plaintext; largest difference {}", short(f.max_abs));
        cells.push(("Fidelity", psnr, note));
    }
    let cells: String = cells
        .iter()
        .map(|(term, value, note)| {
            format!("<div><dt>{term}</dt><dd>{}<small>{}</small></dd></div>\n", escape(value), escape(note))
        })
        .collect();
    format!("<dl class=\"figures\">\n{cells}</dl>")
}

fn per_image(report: &Report) -> String {
    match report.images {
        0 | 1 => "from start to image".into(),
        n => format!("{} per image", units::seconds(report.wall_s / n as f64)),
    }
}

/// Tables of roles and of traffic.
fn costs(report: &Report) -> String {
    let mut rows = String::new();
    for (role, r) in &report.roles {
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            role.name(),
            units::seconds(r.compute_s),
            units::seconds(r.wait_s),
            units::bytes(r.peak_gpu_bytes),
            units::bytes(r.peak_rss_bytes)
        );
    }
    let mut html = format!(
        "<h2>What it cost</h2>\n<div class=\"scroll\"><table><tr><th>Role</th><th class=\"n\">Computing</th>\
         <th class=\"n\">Waiting</th><th class=\"n\">Peak GPU memory</th><th class=\"n\">Peak process memory</th></tr>\n\
         {rows}</table></div>\n"
    );
    if report.mode == Mode::Secure {
        html += &traffic(report);
    }
    html
}

fn traffic(report: &Report) -> String {
    let OnlineBytes { client_to_server, server_to_client } = report.online_bytes;
    let OfflineBytes { dealer_to_client, dealer_to_server } = report.offline_bytes;
    let rows = [
        ("Online", "client → server", client_to_server),
        ("Online", "server → client", server_to_client),
        ("Offline", "dealer → client", dealer_to_client),
        ("Offline", "dealer → server", dealer_to_server),
        ("Set-up", "once per session", report.setup_bytes),
    ];
    let mut html = String::from(
        "<div class=\"scroll\"><table style=\"margin-top:1.6rem\"><tr><th>Phase</th><th>Way</th>\
         <th class=\"n\">Traffic</th><th class=\"n\">Bytes</th></tr>\n",
    );
    for (phase, way, n) in rows {
        let _ = writeln!(
            html,
            "<tr><td>{phase}</td><td>{way}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            units::bytes(n),
            units::count(n)
        );
    }
    html + "</table></div>\n<p class=\"note\">1 GB is 10⁹ bytes. The offline phase needs no input and no weight; \
            a comparison that leaves it out should say so.</p>"
}

fn settings(report: &Report) -> String {
    let g = report.guidance;
    let cfg = if g.scale == 1.0 { "off".to_owned() } else { format!("scale {}", g.scale) };
    let unconditional = match g.eta {
        0.0 => "off".to_owned(),
        eta => format!("eta {eta}, weight {}", name(&g.weight)),
    };
    let a = &report.adapter;
    let mut rows = vec![
        ("Model", report.model.clone()),
        ("Mode", name(&report.mode)),
        ("Functions", name(&report.approx)),
        ("Steps", report.steps.to_string()),
        ("Seed of the noise", report.seed.to_string()),
        ("Classifier-free guidance", cfg),
        ("Unconditional-score guidance", unconditional),
        ("Adapter", a.name.clone()),
        ("Driver", format!("{} ({})", a.driver, a.backend)),
        ("Integer kernels", name(&a.kernels)),
    ];
    if let Some(maximum) = &report.maximum {
        rows.push(("Row maxima of attention", name(maximum)));
    }
    if let Some(text) = report.text {
        let module = |place, approx| format!("{}, {} functions", name(&place), name(&approx));
        rows.push(("Sampler", name(&text.sampler)));
        rows.push(("Text encoder", module(text.text_encoder, text.approx_text)));
        rows.push(("Decoder", module(text.vae, text.approx_vae)));
    }
    let (left, right) = rows.split_at(rows.len().div_ceil(2));
    format!("<div class=\"pair\">{}{}</div>", facts(left), facts(right))
}

fn footer(report: &Report) -> String {
    let versions: Vec<String> = report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!("Made from report.json ({}). {}", escape(&report.schema), escape(&versions.join(" · ")))
}

/// A setting's name as the report and the flags spell it.
fn name<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// A small number with two significant digits.
fn short(x: f64) -> String {
    if x == 0.0 || (0.001..1000.0).contains(&x) { format!("{x:.4}") } else { format!("{x:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn a_page_is_complete_and_self_contained() {
        let (report, pngs) = synthetic::report_and_pngs();
        let html = page(&report, &pngs);
        assert!(!html.contains("{{"), "an unfilled place");
        assert_eq!(html.matches("data:image/png;base64,iVBORw0KGgo").count(), pngs.len());
        for outside in ["<script", "http://", "https://", "url(", "@import", "<link"] {
            assert!(!html.contains(outside), "the page refers to {outside}");
        }
        for layer in &report.per_layer {
            assert!(html.contains(&layer.name), "{} is missing", layer.name);
        }
    }

    #[test]
    fn text_from_outside_is_escaped() {
        let (mut report, pngs) = synthetic::report_and_pngs();
        let evil = "<script>alert('x' & \"y\")</script>{{leaks}}";
        report.model = evil.into();
        report.adapter.name = evil.into();
        report.adapter.driver = evil.into();
        report.leaks = vec![evil.into()];
        report.per_layer[0].name = evil.into();
        report.per_layer[0].op = evil.into();
        report.versions.insert(evil.into(), evil.into());
        let html = page(&report, &pngs);
        assert!(!html.contains("<script") && !html.contains("alert('x'"));
        assert!(html.contains("&lt;script&gt;"));
        assert_eq!(html.matches("This run revealed").count(), 1, "inserted text is not filled again");
    }

    #[test]
    fn odd_reports_make_pages_too() {
        let (mut report, _) = synthetic::report_and_pngs();
        report.mode = Mode::Plain;
        report.roles.clear();
        report.per_layer.clear();
        report.fidelity = None;
        report.wall_s = f64::NAN;
        let html = page(&report, &[]);
        assert!(!html.contains("NaN") && !html.contains("Online traffic"));
    }
}
