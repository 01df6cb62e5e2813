//! The figures as text for terminals, and as CSV.

use std::fmt::Write;

use super::report::{Estimate, Report, RoleFigures, Row};
use crate::units;

/// The text for terminals.
pub fn text(report: &Report) -> String {
    let a = &report.head.adapter;
    let shape = report.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    let samples = units::plural(report.batch as u64, "sample");
    let mut text = format!(
        "{} of {}, {samples} ({shape}), {} functions, {} row maxima, link {}; {} ({}), {}\n\n",
        report.module,
        report.model,
        report.approx,
        report.maximum,
        report.link,
        a.name,
        a.backend,
        units::plural(report.head.cores as u64, "core"),
    );
    let heading = [
        "layers",
        "number",
        "GMAC",
        "elements",
        "client",
        "server",
        "dealer",
        "rate",
        "to server",
        "to client",
        "offline",
        "rounds",
    ];
    let rows = report.kinds.iter().chain([&report.total]).map(cells);
    text += &units::aligned(&[heading.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>());
    text += "\n";
    let heading = ["role", "total", "waited", "device", "device busy", "peak device memory"];
    let rows = report.roles.iter().map(role);
    text += &units::aligned(&[heading.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>());
    let online = report.total.online_bytes();
    let _ = writeln!(
        text,
        "\nWall time {}, {} online both ways, {} offline. Peak memory of the process {}. Weights were shared in {} ({}).",
        units::seconds(report.wall_s),
        units::bytes(online),
        units::bytes(report.total.offline_bytes),
        units::bytes(report.peak_rss_bytes),
        units::seconds(report.setup_s),
        units::bytes(report.setup_bytes),
    );
    let _ = writeln!(
        text,
        "Largest error {:.2e} of the plaintext result's scale; values off by more than {}: {}.",
        report.relative_error,
        super::LARGEST_ERROR,
        report.destroyed
    );
    text += "\n";
    let heading =
        ["roles apart, computed", "compute", "transfer", "latency", "dealer", "corrections", "apart", "overlapped"];
    let rows = report.estimates.iter().map(estimate);
    text += &units::aligned(&[heading.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>());
    text += "apart: corrections are there before; compute, transfer and latency one after the other. overlapped: the longest of\n\
             compute, transfer, dealer and corrections, and the latency. Compute is what a role took here without waiting, with\n\
             three roles on one machine.\n";
    if let Some(paper) = &report.paper {
        let _ = writeln!(
            text,
            "Paper: {} s and {} x 2^30 bytes both ways ({} functions, 512x512, guided step of two samples, revealed row maxima, 3 Gbit/s, \
             0.3 ms); here {} x 2^30.",
            paper.seconds,
            paper.gigabytes,
            paper.approx,
            gib(online),
        );
    }
    for leak in &report.leaks {
        let _ = writeln!(text, "Leak: {leak}.");
    }
    text
}

fn gib(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / f64::from(1 << 30))
}

fn cells(row: &Row) -> Vec<String> {
    let some = |n: u64, text: String| if n == 0 { String::new() } else { text };
    vec![
        row.kind.clone(),
        row.layers.to_string(),
        some(row.macs, format!("{:.2}", row.macs as f64 / 1e9)),
        some(row.elements, units::count(row.elements)),
        units::seconds(row.client_s),
        units::seconds(row.server_s),
        units::seconds(row.dealer_s),
        rate(row),
        units::bytes(row.to_server_bytes),
        units::bytes(row.to_client_bytes),
        units::bytes(row.offline_bytes),
        row.rounds.to_string(),
    ]
}

/// What the slowest device gets done: multiply-accumulates, or else elements.
fn rate(row: &Row) -> String {
    let slowest = row.client_s.max(row.server_s).max(row.dealer_s);
    match (row.macs, row.elements) {
        _ if slowest <= 0.0 => String::new(),
        (0, 0) => String::new(),
        (0, elements) => format!("{:.0} ns each", slowest * 1e9 / elements as f64),
        (macs, _) => format!("{:.2} GMAC/s", macs as f64 / slowest / 1e9),
    }
}

fn role(role: &RoleFigures) -> Vec<String> {
    vec![
        role.role.clone(),
        units::seconds(role.total_s),
        units::seconds(role.waited_s),
        units::seconds(role.device_s),
        format!("{:.0} %", 100.0 * role.device_busy),
        units::bytes(role.peak_device_bytes),
    ]
}

fn estimate(e: &Estimate) -> Vec<String> {
    let times = [e.compute_s, e.transfer_s, e.latency_s, e.dealer_s, e.corrections_s, e.apart_s, e.overlapped_s];
    [e.link.clone()].into_iter().chain(times.map(units::seconds)).collect()
}

/// The layers' figures, a line for each kind and one for all.
pub fn csv(report: &Report) -> String {
    let mut text = String::from(
        "kind,layers,macs,elements,client_s,server_s,dealer_s,waited_s,to_server_bytes,to_client_bytes,offline_bytes,rounds\n",
    );
    for r in report.kinds.iter().chain([&report.total]) {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{}",
            r.kind,
            r.layers,
            r.macs,
            r.elements,
            r.client_s,
            r.server_s,
            r.dealer_s,
            r.waited_s,
            r.to_server_bytes,
            r.to_client_bytes,
            r.offline_bytes,
            r.rounds
        );
    }
    text
}
