//! The figures of `harness bench ops`. Every field is described in `docs/benchmarks.md`.

use serde::{Deserialize, Serialize};

use super::head::Head;

/// Name and version of the format.
pub const SCHEMA: &str = "masque.bench-ops/1";

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its format is [`SCHEMA`].
    #[serde(flatten)]
    pub head: Head,
    /// Link between the roles.
    pub link: String,
    /// Timed repetitions.
    pub repeat: usize,
    /// One for each operation.
    pub rows: Vec<Row>,
    /// Loose over precise, for operations that have both.
    pub ratios: Vec<Ratio>,
    /// What was revealed beyond the protocol's default.
    pub leaks: Vec<String>,
}

/// Figures of an operation. Times are seconds for all elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Operation.
    pub op: String,
    /// Approximation set.
    pub approx: Option<String>,
    /// Form of it.
    pub form: String,
    /// Extents, for people.
    pub size: String,
    /// Interval of the inputs.
    pub range: Option<(f64, f64)>,
    /// Elements of the result.
    pub elements: u64,
    /// Pieces in which it was computed, one after another.
    pub pieces: u64,
    /// Online: from the inputs' shares to the result's, at the slower party.
    pub total_s: Spread,
    /// Of that, not waiting.
    pub compute_s: Spread,
    /// Of that, waiting for the link and the peer.
    pub network_s: Spread,
    /// Dealing and sending the corrections, before.
    pub offline_s: Spread,
    /// Processor time of all roles, both phases, where the system tells.
    pub cpu_s: Option<Spread>,
    /// Payload bytes client to server.
    pub to_server_bytes: u64,
    /// Payload bytes server to client.
    pub to_client_bytes: u64,
    /// Correction bytes dealer to server.
    pub offline_bytes: u64,
    /// Messages waited for one after another; one that goes one way is half of one.
    pub rounds: f64,
    /// Mean square error of the secure result against the exact function.
    pub mse: f64,
    /// That of the approximation in plaintext.
    pub plain_mse: Option<f64>,
    /// Largest error against the approximation, or the exact function where there is none.
    pub max_error: f64,
}

/// Median and extremes of the repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Loose over precise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Operation.
    pub op: String,
    /// Form of it.
    pub form: String,
    /// Of the online latency's medians.
    pub latency: f64,
    /// Of the bytes between client and server, both ways.
    pub online_bytes: f64,
    /// Of the corrections.
    pub offline_bytes: f64,
    /// Of the secure results' mean square errors.
    pub mse: f64,
    /// Of the plain approximations'.
    pub plain_mse: f64,
}

impl Spread {
    /// Of some values.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else { return Self::default() };
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self { median: (low + high) / 2.0, min: *min, max: *max }
    }
}

impl Row {
    /// Operation, approximation and form as one name.
    pub fn name(&self) -> String {
        let parts = [Some(self.op.as_str()), self.approx.as_deref(), Some(self.form.as_str())];
        parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Bytes for each element.
    pub fn per_element(&self, bytes: u64) -> f64 {
        bytes as f64 / self.elements.max(1) as f64
    }

    /// Bytes between client and server.
    pub fn online_bytes(&self) -> u64 {
        self.to_server_bytes + self.to_client_bytes
    }

    /// Secure over plain mean square error.
    pub fn mse_ratio(&self) -> Option<f64> {
        self.plain_mse.filter(|p| *p > 0.0).map(|p| self.mse / p)
    }
}

/// Loose over precise for every pair of rows that differ in nothing else.
pub fn ratios(rows: &[Row]) -> Vec<Ratio> {
    let set = |row: &Row, name: &str| row.approx.as_deref() == Some(name);
    let pairs = rows.iter().filter(|r| set(r, "precise")).filter_map(|precise| {
        let same = |r: &&Row| (&r.op, &r.form, &r.size) == (&precise.op, &precise.form, &precise.size);
        rows.iter().filter(|r| set(r, "loose")).find(same).map(|loose| (precise, loose))
    });
    pairs
        .map(|(precise, loose)| Ratio {
            op: precise.op.clone(),
            form: precise.form.clone(),
            latency: loose.total_s.median / precise.total_s.median,
            online_bytes: loose.online_bytes() as f64 / precise.online_bytes() as f64,
            offline_bytes: loose.offline_bytes as f64 / precise.offline_bytes as f64,
            mse: loose.mse / precise.mse,
            plain_mse: loose.plain_mse.unwrap_or(f64::NAN) / precise.plain_mse.unwrap_or(f64::NAN),
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::Adapter;

    /// A row made by hand.
    pub fn row(op: &str, approx: Option<&str>, seconds: f64, bytes: u64, mse: f64) -> Row {
        let spread = |s: f64| Spread { median: s, min: 0.9 * s, max: 1.2 * s };
        Row {
            op: op.into(),
            approx: approx.map(Into::into),
            form: String::new(),
            size: String::new(),
            range: Some((-8.0, 4.0)),
            elements: 1000,
            pieces: 1,
            total_s: spread(seconds),
            compute_s: spread(0.7 * seconds),
            network_s: spread(0.3 * seconds),
            offline_s: spread(2.0 * seconds),
            cpu_s: Some(spread(3.0 * seconds)),
            to_server_bytes: bytes,
            to_client_bytes: bytes,
            offline_bytes: 20 * bytes,
            rounds: 3.5,
            mse,
            plain_mse: approx.map(|_| mse / 1.01),
            max_error: 0.01,
        }
    }

    /// A report made by hand, with the rows of Figure 1 and others.
    pub fn report() -> Report {
        let rows = vec![
            row("silu", Some("precise"), 0.4, 10_375, 2.2e-5),
            row("silu", Some("loose"), 0.3, 9_250, 5.7e-5),
            row("gelu", Some("precise"), 0.5, 10_375, 5.1e-5),
            row("gelu", Some("loose"), 0.3, 7_250, 4.2e-4),
            row("exp", Some("precise"), 0.6, 21_000, 2.0e-7),
            row("exp", Some("loose"), 0.2, 4_125, 5.3e-6),
            row("relu", None, 0.1, 4_125, 1e-8),
        ];
        Report {
            head: Head::new(SCHEMA, Adapter { name: "Toy".into(), driver: "toy 1.0".into(), ..Adapter::default() }),
            link: "loopback".into(),
            repeat: 3,
            ratios: ratios(&rows),
            rows,
            leaks: vec![],
        }
    }

    #[test]
    fn every_field_is_documented() {
        let docs = include_str!("../../../docs/benchmarks.md");
        let value = serde_json::to_value(report()).unwrap();
        let keys = |v: &serde_json::Value| v.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        let all =
            [keys(&value), keys(&value["rows"][0]), keys(&value["rows"][0]["total_s"]), keys(&value["ratios"][0])];
        for key in all.concat() {
            assert!(docs.contains(&format!("`{key}`")), "docs/benchmarks.md does not describe {key}");
        }
    }

    #[test]
    fn spreads() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]).median, 2.5);
        assert_eq!(Spread::of(vec![]), Spread::default());
    }

    #[test]
    fn pairs_are_found() {
        let report = report();
        let names: Vec<&str> = report.ratios.iter().map(|r| r.op.as_str()).collect();
        assert_eq!(names, ["silu", "gelu", "exp"]);
        let exp = &report.ratios[2];
        assert!((exp.latency - 1.0 / 3.0).abs() < 1e-12 && (exp.mse - 26.5).abs() < 1e-9, "{exp:?}");
        let text = serde_json::to_string(&report).unwrap();
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!((read.rows.len(), &read.rows[1].op, read.rows[6].plain_mse), (7, &report.rows[1].op, None));
    }
}
