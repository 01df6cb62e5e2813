//! `harness bench ops --quick` from outside, with one repetition: every row, every file, the costs to reach and the errors to
//! reproduce.
//!
//! What belongs here: that the bench runs and its figures are right. Figures that depend on the machine are only bounded.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use harness::bench::ops::{self, Operation, Wanted};
use harness::bench::report::Report;
use masque_engine::approx::Approx;
use masque_engine::protocol::{Cost, RowMaximum};

/// Seconds that a quick run may take on two cores.
const QUICK_S: f64 = 60.0;
/// Correction bytes over those of the primitives, at most.
const OFFLINE: f64 = 1.25;
/// Secure over plain mean square error, at most.
const MSE: f64 = 1.03;

fn harness(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(dir).args(args).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("the binary starts")
}

/// What an element costs.
#[derive(Clone, Copy, Debug)]
struct Each {
    to_server: f64,
    to_client: f64,
    offline: f64,
}

/// By formula, at 2^20 elements and 4096 columns.
fn costs(op: &str, approx: Option<Approx>, maximum: RowMaximum) -> Each {
    let wanted = Wanted {
        elements: 1 << 20,
        columns: 4096,
        range: None,
        approx: vec![],
        maxima: vec![maximum],
        shape: None,
        small: false,
        limit: 128 << 20,
    };
    let family = ops::FAMILIES.iter().find(|f| f.name == op).expect("the operation");
    let rows = (family.rows)(&wanted).expect("rows");
    let row: &dyn Operation = &**rows.iter().find(|r| r.label().approx == approx).expect("the row");
    let cost = (0..row.pieces()).map(|i| row.cost(i).expect("a cost")).fold(Cost::default(), |a, b| a + b);
    let each = |bytes: u64| bytes as f64 / row.elements() as f64;
    Each { to_server: each(cost.to_server), to_client: each(cost.to_client), offline: each(cost.offline) }
}

/// Correction bits of an element by the primitives of protocol.md. `polynomial`: from a wire of `k` bits to a ring of `to`, of
/// degree `d`, `s` segments selected; a ring that is larger than the wire's takes both readings of the mask, and the mask.
mod reference {
    pub fn multiply(k: u32) -> u32 {
        k
    }

    pub fn lift(k: u32, to: u32) -> u32 {
        2 * (to - k)
    }

    pub fn compare(thresholds: u32) -> u32 {
        70 + 15 * (thresholds - 1)
    }

    pub fn polynomial(k: u32, to: u32, d: u32, s: u32) -> u32 {
        let words = d - 1 + s * (d + 1);
        if to > k { 2 * to * (words + 1) } else { to * words }
    }
}

/// What an operation may cost at 2^20 elements and 4096 columns, by the formulas that every run is checked against.
#[test]
fn costs_stay_within_their_targets() {
    use reference::{compare, lift, multiply, polynomial};
    let (precise, loose) = (Some(Approx::Precise), Some(Approx::Loose));
    // x, and polynomials opened in 16 bits, as they are selected.
    let table = |thresholds, polynomials: u32| {
        compare(thresholds) + polynomial(24, 40, 1, 1) + polynomials * polynomial(16, 40, 1, 1)
    };
    let even = |to, d| polynomial(24, 32, 2, 0) + polynomial(16, to, d, 0);
    let direct = |to, d| polynomial(24, to, d, 0);
    // A square in the ring of x, a quadratic of it, a linear term, the selection.
    let quartic = compare(1)
        + polynomial(24, 24, 2, 0)
        + polynomial(16, 48, 2, 0)
        + polynomial(24, 32, 1, 0)
        + polynomial(20, 20, 1, 1);
    let squarings = [(24, 48), (24, 48), (20, 40), (20, 40), (20, 40), (20, 40)];
    let repeated = compare(1)
        + polynomial(24, 64, 2, 0)
        + squarings.iter().map(|(k, to)| polynomial(*k, *to, 2, 0)).sum::<u32>()
        + polynomial(16, 32, 2, 1);
    let tournament = compare(1) + polynomial(24, 24, 1, 1);
    let inverse = compare(13) + polynomial(28, 64, 1, 14) + polynomial(16, 64, 3, 14);
    for (op, approx, online, reference) in [
        ("silu", precise, 28.0, table(3, 2) + even(44, 3) + direct(40, 2)),
        ("silu", loose, 20.0, table(2, 1) + even(56, 4)),
        ("gelu", precise, 28.0, table(3, 2) + even(44, 3) + direct(44, 3)),
        ("gelu", loose, 20.0, table(2, 1) + direct(60, 4)),
        ("exp", precise, 56.0, repeated),
        ("exp", loose, 12.0, quartic),
        ("relu", None, 20.0, compare(1) + polynomial(24, 40, 1, 1)),
        ("compare", None, 1.5, compare(1)),
        ("multiply", None, 8.0, multiply(40)),
        ("truncate", None, 8.0, lift(48, 64)),
        ("reciprocal", None, 28.0, inverse),
        ("softmax", loose, 24.0, tournament + quartic + lift(20, 48) + multiply(48)),
    ] {
        let each = costs(op, approx, RowMaximum::Secure);
        let ratio = each.offline * 8.0 / f64::from(reference);
        println!("{op} {approx:?}: {each:.3?}, corrections {ratio:.2} of the primitives'");
        assert!(each.to_server.max(each.to_client) <= online, "{op} {approx:?}: {each:?}, {online} allowed each way");
        assert!(ratio <= OFFLINE, "{op} {approx:?}: {each:?}, corrections {ratio} of the primitives'");
    }
    let [secure, revealed] = [RowMaximum::Secure, RowMaximum::Revealed].map(|m| costs("softmax", loose, m));
    println!("softmax with revealed maxima: {revealed:.3?}");
    // The logits go to the client once more, the tournament's openings are saved.
    assert!(revealed.to_server < secure.to_server && revealed.to_client < secure.to_client);
    assert!(revealed.offline < secure.offline, "{revealed:?} against {secure:?}");
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
    // Figure 1's errors, and what is dealt for an element, loose and precise: loose SiLU is one polynomial of degree 4 where the
    // precise one is two of lower degrees, in smaller rings.
    for (op, from, to, dealt) in
        [("silu", 2.4, 2.7, [81.5, 76.0]), ("gelu", 7.9, 8.6, [86.5, 112.5]), ("exp", 25.0, 27.5, [34.0, 138.5])]
    {
        let r = report.ratios.iter().find(|r| r.op == op).expect("a ratio");
        assert!((from..to).contains(&r.mse) && (from..to).contains(&r.plain_mse), "{op}: {r:?}");
        assert!(r.online_bytes < 1.0, "{op}: {r:?}");
        assert!((r.offline_bytes - dealt[0] / dealt[1]).abs() < 1e-12, "{op}: {r:?}");
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

/// Network time is that of the link: every byte of a direction at its bandwidth, and half a round trip for each round.
#[test]
fn network_time_is_that_of_the_link() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (bits_per_second, round_trip, link) = (10e6, 0.08, "10mbit,80ms");
    let ops = ["--op", "silu,exp", "--approx", "loose", "--elements", "4000", "--repeat", "2", "--link", link];
    let output = harness(dir.path(), &[&["bench", "ops", "--quiet", "--json", "link.json"], &ops[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Report =
        serde_json::from_slice(&fs::read(dir.path().join("link.json")).expect("a file")).expect("JSON");
    assert_eq!(report.rows.len(), 2);
    for r in &report.rows {
        let way = r.to_server_bytes.max(r.to_client_bytes) as f64 * 8.0 / bits_per_second;
        let modelled = way + r.rounds * round_trip / 2.0;
        println!("{}: modelled {modelled:.3} s, network {:?}, total {:?}", r.name(), r.network_s, r.total_s);
        assert!(r.total_s.min > 0.98 * modelled, "{} is faster than its link: {modelled} s, {:?}", r.name(), r.total_s);
        // A party does not wait for bytes that are on their way while it computes; other load lengthens both.
        assert!((0.6..1.5).contains(&(r.network_s.min / modelled)), "{}: {modelled} s, {:?}", r.name(), r.network_s);
        // The corrections cross the link before.
        let corrections = r.offline_bytes as f64 * 8.0 / bits_per_second;
        assert!(r.offline_s.min > 0.85 * corrections, "{}: {corrections} s, {:?}", r.name(), r.offline_s);
    }
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
