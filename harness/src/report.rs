//! `report.json`: what a job did, what it cost, and how close it came. Every field is described in `docs/report.md`;
//! a test holds the two together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::{Approx, Guidance, Kernels, Max, Mode, RunConfig};
use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::images::Fidelity;
use crate::subject::{Subject, TextSettings};

/// Name and version of the format; changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "masque.report/1";

/// The report of one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the model folder.
    pub model: String,
    /// On shares or in plaintext.
    pub mode: Mode,
    /// Approximation set.
    pub approx: Approx,
    /// How attention found the maxima of its rows; nothing in plaintext.
    pub maximum: Option<Max>,
    /// Sampler steps.
    pub steps: u32,
    /// Number of images drawn.
    pub images: u64,
    /// Number of images of a batch that were there already; nothing else here is about them.
    pub kept: u64,
    /// Seed of the initial noise.
    pub seed: u64,
    /// Guidance settings.
    pub guidance: Guidance,
    /// Settings of a text-to-image model.
    pub text: Option<TextSettings>,
    /// The adapter that computed.
    pub adapter: Adapter,
    /// Seconds from the start of the roles to the last image.
    pub wall_s: f64,
    /// Time and memory of each role.
    pub roles: BTreeMap<Role, RoleReport>,
    /// Bytes between client and server.
    pub online_bytes: OnlineBytes,
    /// Bytes from the dealer.
    pub offline_bytes: OfflineBytes,
    /// Bytes sent once per session.
    pub setup_bytes: u64,
    /// Sequential online messages.
    pub rounds: u64,
    /// Costs by graph node.
    pub per_layer: Vec<Layer>,
    /// Distance from the plaintext run, if one was made.
    pub fidelity: Option<Fidelity>,
    /// What was revealed beyond the protocol's default.
    pub leaks: Vec<String>,
    /// What computed this.
    pub versions: BTreeMap<String, String>,
}

/// A graphics adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Name given by the driver.
    pub name: String,
    /// Driver and its version.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Kernel variant that ran.
    pub kernels: Kernels,
}

/// Who did the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds the condition, receives the image.
    Client,
    /// Holds the weights.
    Server,
    /// Deals correlated randomness.
    Dealer,
    /// The only role of a plaintext job.
    Plain,
}

impl Role {
    /// Name as in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Dealer => "dealer",
            Self::Plain => "plain",
        }
    }
}

/// Time and memory of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleReport {
    /// Seconds spent computing.
    pub compute_s: f64,
    /// Seconds spent waiting for another role.
    pub wait_s: f64,
    /// Most bytes of GPU buffers at one time.
    pub peak_gpu_bytes: u64,
    /// Most resident memory of the role's process.
    pub peak_rss_bytes: u64,
}

/// Bytes between client and server after set-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineBytes {
    /// Client to server.
    pub client_to_server: u64,
    /// Server to client.
    pub server_to_client: u64,
}

impl OnlineBytes {
    /// Both directions.
    pub fn total(self) -> u64 {
        self.client_to_server.saturating_add(self.server_to_client)
    }
}

/// Bytes of corrections from the dealer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfflineBytes {
    /// Dealer to client.
    pub dealer_to_client: u64,
    /// Dealer to server.
    pub dealer_to_server: u64,
}

impl OfflineBytes {
    /// Both receivers.
    pub fn total(self) -> u64 {
        self.dealer_to_client.saturating_add(self.dealer_to_server)
    }
}

/// Costs of one graph node over the whole job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Node name, a path as in the checkpoint.
    pub name: String,
    /// Operation.
    pub op: String,
    /// Seconds of computing, all measured roles together.
    pub compute_s: f64,
    /// Bytes between client and server, both directions.
    pub online_bytes: u64,
    /// Bytes from the dealer, both receivers.
    pub offline_bytes: u64,
    /// Sequential online messages.
    pub rounds: u64,
}

impl Report {
    /// Joins what was asked for and what came out.
    pub fn new(config: &RunConfig, outcome: &Outcome) -> Self {
        let mut leaks = outcome.leaks.clone();
        leaks.extend(config.maximum.and_then(Max::leaks).map(String::from));
        if config.test_keys.is_some() {
            leaks.insert(0, "test keys: every key follows from a number, so nothing in this run was protected".into());
        }
        let mut versions = outcome.versions.clone();
        versions.insert("masque".into(), env!("CARGO_PKG_VERSION").into());
        versions.insert("platform".into(), format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH));
        Self {
            schema: SCHEMA.into(),
            model: config.model.name.clone(),
            mode: config.mode,
            approx: config.approx,
            maximum: config.maximum,
            steps: config.steps,
            images: config.images() as u64,
            kept: 0,
            seed: config.seed,
            guidance: config.guidance,
            text: match &config.subject {
                Subject::Prompts { text, .. } => Some(*text),
                Subject::Classes(_) => None,
            },
            adapter: outcome.adapter.clone(),
            wall_s: outcome.wall_s,
            roles: outcome.roles.clone(),
            online_bytes: outcome.online_bytes,
            offline_bytes: outcome.offline_bytes,
            setup_bytes: outcome.setup_bytes,
            rounds: outcome.rounds,
            per_layer: outcome.per_layer.clone(),
            fidelity: outcome.fidelity,
            leaks,
            versions,
        }
    }

    /// The file's text.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|t| t + "\n").map_err(|e| Error::output(Path::new("report.json"), &e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::images;
    use crate::synthetic;
    use serde_json::Value;

    /// Paths of all fields: `a`, `a.b`, `a[].b`; map keys of `roles` and `versions` are written `<name>`.
    fn paths(value: &Value, at: &str, all: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    let key = if matches!(at, "roles" | "versions") { "<name>" } else { key };
                    let path = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
                    if !all.contains(&path) {
                        all.push(path.clone());
                    }
                    paths(field, &path, all);
                }
            }
            Value::Array(items) => items.iter().take(1).for_each(|item| paths(item, &format!("{at}[]"), all)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_documented_and_no_other() {
        let guide =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report.md")).expect("the guide");
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve_text(dir.path(), &[]).expect("good settings");
        let report = Report::new(&config, &synthetic::outcome());
        let mut fields = Vec::new();
        paths(&serde_json::to_value(&report).expect("plain data"), "", &mut fields);
        fields.sort();
        let mut described: Vec<String> =
            guide.lines().filter_map(|l| Some(l.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
        described.sort();
        assert_eq!(described, fields);
    }

    #[test]
    fn the_file_reads_back() {
        let (report, _) = synthetic::report_and_pngs();
        let text = report.to_json().expect("plain data");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("the same format"), report);
        assert!(text.contains("\"eta\": 0.1,") && text.contains("\"client_to_server\": 2000000000"));
    }

    #[test]
    fn test_keys_are_a_declared_leak_and_classes_do_not_show() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut config = synthetic::resolve(dir.path(), &["--class", "1"]).expect("good settings");
        config.test_keys = Some(Secret(424_242));
        let report = Report::new(&config, &synthetic::outcome());
        assert!(report.leaks[0].starts_with("test keys"));
        let text = report.to_json().expect("plain data");
        assert!(!text.contains("class") && !text.contains("424242"));
    }

    #[test]
    fn revealed_maxima_are_a_declared_leak() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let report = |flags: &[&str], resolve: fn(&Path, &[&str]) -> Result<RunConfig>| {
            Report::new(&resolve(dir.path(), flags).expect("good settings"), &Outcome::default())
        };
        for resolve in [synthetic::resolve, synthetic::resolve_text] {
            let secure = report(&[], resolve);
            assert_eq!((secure.maximum, secure.leaks.len()), (Some(Max::Secure), 0));
            let revealed = report(&["--max", "revealed"], resolve);
            assert_eq!(revealed.maximum, Some(Max::Revealed));
            assert!(matches!(&revealed.leaks[..], [leak] if leak.contains("the client saw every logit")));
            assert!(revealed.to_json().expect("plain data").contains("\"maximum\": \"revealed\""));
            let plain = report(&["--mode", "plain"], resolve);
            assert_eq!((plain.maximum, plain.leaks.len()), (None, 0));
        }
    }

    #[test]
    fn prompts_do_not_show() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let flags = ["--prompt", "my diary", "--negative-prompt", "my taxes"];
        let config = synthetic::resolve_text(dir.path(), &flags).expect("good settings");
        let text = Report::new(&config, &synthetic::outcome()).to_json().expect("plain data");
        assert!(!text.contains("diary") && !text.contains("taxes"), "{text}");
    }

    #[test]
    fn identical_runs_have_no_ratio() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let config = synthetic::resolve(dir.path(), &[]).expect("good settings");
        let mut outcome = synthetic::outcome();
        outcome.fidelity = Some(images::compare(&[0.5, -1.0], &[0.5, -1.0]).expect("two images"));
        let fidelity = Report::new(&config, &outcome).fidelity.expect("compared");
        assert_eq!((fidelity.max_abs, fidelity.psnr_db), (0.0, None));
        outcome.fidelity = None;
        assert_eq!(Report::new(&config, &outcome).fidelity, None);
    }
}
