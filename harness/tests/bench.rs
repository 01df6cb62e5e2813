//! `harness bench ops --quick` from outside, with one repetition: every row, every file, the costs to reach and the errors to
//! reproduce.
//!
//! What belongs here: that the bench runs and its figures are right. Figures that depend on the machine are only bounded.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use harness::bench::report::{Report, Row};

/// Seconds that a quick run may take on two cores.
const QUICK_S: f64 = 60.0;
/// Secure over plain mean square error, at most.
const MSE: f64 = 1.03;

fn harness(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(dir).args(args).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("the binary starts")
}

fn row<'a>(report: &'a Report, op: &str, approx: Option<&str>) -> &'a Row {
    let found = report.rows.iter().find(|r| r.op == op && r.approx.as_deref() == approx);
    found.unwrap_or_else(|| panic!("no row of {op} {approx:?}"))
}

#[test]
fn a_quick_run_has_every_row_and_keeps_its_promises() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let files = ["ops.json", "ops.html", "ops.csv", "ops.svg", "ops.png", "ops.trace.json"];
    let flags = ["--json", "--html", "--csv", "--svg", "--png", "--trace"];
    let mut args = vec!["bench", "ops", "--quick", "--repeat", "1", "--maximum", "both"];
    flags.iter().zip(&files).for_each(|(flag, file)| args.extend([flag, file]));
    let start = Instant::now();
    let output = harness(dir.path(), &args);
    let took = start.elapsed().as_secs_f64();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    println!("{took:.1} s\n{stdout}");
    assert!(took < QUICK_S, "{took} s");
    for part in ["silu precise", "softmax loose revealed maximum", "paper, SiLU, GeLU, exp", "WARNING"] {
        assert!(stdout.contains(part), "{part:?} is missing");
    }
    assert!(stderr.contains("row maxima were revealed"), "{stderr}");

    let read = |name: &str| fs::read(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let report: Report = serde_json::from_slice(&read("ops.json")).expect("the report's format");
    for op in harness::bench::ops::FAMILIES {
        assert!(report.rows.iter().any(|r| r.op == op.name), "no row of {}", op.name);
    }
    for r in report.rows.iter().filter(|r| r.plain_mse.is_some()) {
        let ratio = r.mse_ratio().expect("an approximation that is not exact");
        assert!(ratio <= MSE, "{}: secure over plain MSE {ratio}", r.name());
    }
    // What each element may cost online, each way.
    for (op, approx, bytes) in [
        ("silu", Some("precise"), 28.0),
        ("silu", Some("loose"), 20.0),
        ("gelu", Some("precise"), 28.0),
        ("gelu", Some("loose"), 20.0),
        ("exp", Some("loose"), 12.0),
        ("exp", Some("precise"), 56.0),
        ("compare", None, 1.5),
        ("multiply", None, 8.0),
        ("softmax", Some("loose"), 24.0),
    ] {
        let r = row(&report, op, approx);
        let each = r.per_element(r.to_server_bytes.max(r.to_client_bytes));
        assert!(each <= bytes, "{}: {each} bytes each way, {bytes} allowed", r.name());
    }
    // Figure 1's errors.
    for (op, from, to) in [("silu", 2.4, 2.7), ("gelu", 7.9, 8.6), ("exp", 25.0, 27.5)] {
        let r = report.ratios.iter().find(|r| r.op == op).expect("a ratio");
        assert!((from..to).contains(&r.mse) && (from..to).contains(&r.plain_mse), "{op}: {r:?}");
        assert!(r.online_bytes < 1.0 && r.offline_bytes < 1.0, "{op}: {r:?}");
    }
    assert_eq!(report.leaks.len(), 1);

    let html = String::from_utf8(read("ops.html")).expect("UTF-8");
    assert!(html.contains("<svg") && html.contains("row maxima were revealed"));
    assert_eq!(String::from_utf8(read("ops.csv")).expect("UTF-8").lines().count(), report.rows.len() + 1);
    assert!(read("ops.svg").starts_with(b"<svg") && read("ops.png").starts_with(b"\x89PNG"));
    let trace: serde_json::Value = serde_json::from_slice(&read("ops.trace.json")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let has = |cat: &str, pid: u64| {
        events.iter().any(|e| e["cat"] == cat && e["pid"] == pid && e["dur"].as_f64() > Some(0.0))
    };
    assert!((0..3).all(|role| has("host", role) && has("device", role) && has("network", role)));
}

#[test]
fn what_cannot_be_measured_ends_with_1_before_anything_is() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (args, names) in [
        (&["--op", "sine"][..], "silu"),
        (&["--op", "conv", "--shape", "tiny"], "res-64"),
        (&["--op", "relu", "--approx", "cipherdm", "--svg", "x.svg"], "--svg"),
        (&["--op", "silu", "--approx", "cipherdm"], "--approx"),
        (&["--op", "exp", "--range", "-1,1"], "exp takes an interval"),
        (&["--op", "silu", "--json", "missing/x.json"], "missing/x.json"),
        (&["--op", "relu", "--adapter", "no such adapter"], "harness devices"),
    ] {
        let output = harness(dir.path(), &[&["bench", "ops", "--quick"], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ") && !l.contains("XDG")).collect();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(errors.len() == 1 && errors[0].contains(names), "{args:?}: {stderr}");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0, "{args:?} left something behind");
    }
    for args in [&["--elements", "0"][..], &["--link", "fast"], &["--approx", "exact"], &["--range", "4,1"]] {
        let output = harness(dir.path(), &[&["bench", "ops"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
