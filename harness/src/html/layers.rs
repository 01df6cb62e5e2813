//! The page's section on layers: three stacked bars by operation, then a row per graph node.

use std::fmt::Write;

use super::markup::escape;
use crate::config::Mode;
use crate::report::{Layer, Report};
use crate::units;

/// Colours in the template; operations beyond the last share it.
const COLOURS: usize = 8;
/// A stacked bar: its name, what it sums, how a sum is written.
type Measure = (&'static str, fn(&Layer) -> f64, fn(f64) -> String);

const MEASURES: [Measure; 3] = [
    ("Computing", |l| l.compute_s, units::seconds),
    ("Online bytes", |l| l.online_bytes as f64, |n| units::bytes(n as u64)),
    ("Offline bytes", |l| l.offline_bytes as f64, |n| units::bytes(n as u64)),
];

/// The section, or nothing if the report has no layers.
pub fn section(report: &Report) -> String {
    let layers = &report.per_layer;
    if layers.is_empty() {
        return String::new();
    }
    let secure = report.mode == Mode::Secure;
    let ops = operations(layers);
    let shown = if secure { &MEASURES[..] } else { &MEASURES[..1] };
    format!(
        "<h2>Where it went, layer by layer</h2>\n{}{}<details open><summary>All {}</summary>\n\
         <div class=\"scroll\">{}</div></details>\n",
        stacks(layers, &ops, shown),
        legend(&ops),
        units::plural(layers.len() as u64, "layer"),
        table(layers, &ops, secure)
    )
}

/// Operations, the most expensive first: the order of the colours.
fn operations(layers: &[Layer]) -> Vec<&str> {
    let mut ops: Vec<(&str, f64)> = Vec::new();
    for layer in layers {
        match ops.iter_mut().find(|(op, _)| *op == layer.op) {
            Some((_, sum)) => *sum += layer.compute_s,
            None => ops.push((&layer.op, layer.compute_s)),
        }
    }
    ops.sort_by(|a, b| b.1.total_cmp(&a.1));
    ops.into_iter().map(|(op, _)| op).collect()
}

fn colour(ops: &[&str], op: &str) -> usize {
    ops.iter().position(|o| *o == op).unwrap_or(COLOURS).min(COLOURS - 1)
}

/// Percent of a whole, safe for an empty whole.
fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 && part > 0.0 { (part / whole * 100.0).min(100.0) } else { 0.0 }
}

fn stacks(layers: &[Layer], ops: &[&str], measures: &[Measure]) -> String {
    let mut html = String::from("<div class=\"stacks\">\n");
    for (name, of, write) in measures {
        let whole: f64 = layers.iter().map(of).sum();
        let _ = write!(html, "<span>{name}</span><div class=\"stack\">");
        for op in ops {
            let part: f64 = layers.iter().filter(|l| l.op == *op).map(of).sum();
            let width = percent(part, whole);
            if width > 0.0 {
                let title = escape(&format!("{op}: {}, {width:.1} %", write(part)));
                let c = colour(ops, op);
                let _ =
                    write!(html, "<span style=\"width:{width:.3}%;background:var(--c{c})\" title=\"{title}\"></span>");
            }
        }
        let _ = writeln!(html, "</div><b>{}</b>", write(whole));
    }
    html + "</div>\n"
}

fn legend(ops: &[&str]) -> String {
    let mut html = String::from("<ul class=\"legend\">\n");
    for op in ops {
        let c = colour(ops, op);
        let _ = writeln!(html, "<li><span class=\"dot\" style=\"background:var(--c{c})\"></span>{}</li>", escape(op));
    }
    html + "</ul>\n"
}

fn table(layers: &[Layer], ops: &[&str], secure: bool) -> String {
    let longest = layers.iter().map(|l| l.compute_s).fold(0.0, f64::max);
    let most = layers.iter().map(|l| l.online_bytes).max().unwrap_or(0) as f64;
    let mut html = String::from("<table><tr><th>Layer</th><th>Operation</th><th>Computing</th><th class=\"n\"></th>");
    if secure {
        html += "<th>Online</th><th class=\"n\"></th><th class=\"n\">Offline</th><th class=\"n\">Rounds</th>";
    }
    html += "</tr>\n";
    for layer in layers {
        let c = colour(ops, &layer.op);
        let _ = write!(
            html,
            "<tr><td class=\"name\">{}</td><td>{}</td>{}<td class=\"n\">{}</td>",
            escape(&layer.name),
            escape(&layer.op),
            meter(percent(layer.compute_s, longest), c),
            units::seconds(layer.compute_s)
        );
        if secure {
            let _ = write!(
                html,
                "{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
                meter(percent(layer.online_bytes as f64, most), c),
                units::bytes(layer.online_bytes),
                units::bytes(layer.offline_bytes),
                units::count(layer.rounds)
            );
        }
        html += "</tr>\n";
    }
    html + "</table>"
}

fn meter(width: f64, colour: usize) -> String {
    format!(
        "<td class=\"bar\"><span class=\"meter\"><span style=\"width:{width:.2}%;background:var(--c{colour})\"></span>\
         </span></td>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(op: &str, compute_s: f64) -> Layer {
        Layer { name: format!("{op}.0"), op: op.into(), compute_s, ..Layer::default() }
    }

    #[test]
    fn operations_by_cost() {
        let layers = [layer("add", 0.1), layer("conv2d", 2.0), layer("add", 0.2)];
        assert_eq!(operations(&layers), ["conv2d", "add"]);
        assert_eq!(colour(&operations(&layers), "add"), 1);
    }

    #[test]
    fn there_are_never_more_colours_than_the_template_has() {
        let layers: Vec<Layer> = (0..20).map(|i| layer(&format!("op{i}"), f64::from(i))).collect();
        let ops = operations(&layers);
        assert!(ops.iter().all(|op| colour(&ops, op) < COLOURS));
    }

    #[test]
    fn shares_of_nothing() {
        assert_eq!(percent(0.0, 0.0), 0.0);
        assert_eq!(percent(f64::NAN, 1.0), 0.0);
        assert_eq!(percent(1.0, 4.0), 25.0);
    }
}
