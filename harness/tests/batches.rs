//! Batches of prompts: one session for all portions, taken up where they ended, never continued with another model.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, Process};

/// A batch of five images with most of the work at the client, which is quick.
const BATCH: [&str; 17] = [
    "run",
    "--quiet",
    "--model",
    "words",
    "--out",
    "out",
    "--prompts",
    "prompts.txt",
    "--batch",
    "2",
    "--steps",
    "1",
    "--text-encoder",
    "client",
    "--vae",
    "client",
    "--guidance-scale=1",
];

fn place() -> Place {
    let place = Place::new().with_words();
    fs::write(place.path("prompts.txt"), "a red dress\n\na blue bag\na white dress\n\"two\", x\na red dress\n")
        .expect("writable");
    place
}

fn roles(place: &Place, sessions: &[&str]) -> ([Process; 2], [String; 2]) {
    let (dealer, dealer_at) = place.listen_on(&[&["dealer"], sessions].concat());
    let serve = ["serve", "--model", "words", "--dealer", &dealer_at];
    let (server, server_at) = place.listen_on(&[&serve[..], sessions].concat());
    ([server, dealer], [server_at, dealer_at])
}

fn client(place: &Place, [server, dealer]: &[String; 2]) -> Process {
    place.start(&[&BATCH[..], &["--connect", server, "--dealer", dealer]].concat())
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON")
}

#[test]
fn a_batch_is_one_session() {
    let place = place();
    let ([server, dealer], at) = roles(&place, &["--sessions", "1"]);
    client(&place, &at).succeeds();
    server.succeeds();
    dealer.succeeds();
    let there = json(&place.path("out/report.json"));
    assert_eq!((there["images"].as_u64(), there["kept"].as_u64()), (Some(5), Some(0)));
    // In one process: the same costs, weights distributed once, and images close to plaintext in the smaller last portion too.
    fs::rename(place.path("out"), place.path("first")).expect("movable");
    place.start(&BATCH).succeeds();
    let here = json(&place.path("out/report.json"));
    for field in ["online_bytes", "offline_bytes", "rounds"] {
        assert_eq!(here[field], there[field], "{field}");
    }
    assert!(here["fidelity"]["psnr_db"].as_f64() > Some(30.0), "{}", here["fidelity"]);
    let one = place
        .start(&[&["run", "--quiet", "--model", "words", "--out", "one"], &BATCH[10..], &["--count", "1"]].concat());
    one.succeeds();
    let (one, all) = (json(&place.path("one/report.json")), here["setup_bytes"].as_u64());
    let once = one["setup_bytes"].as_u64().expect("a number");
    assert!(all.is_some_and(|all| all < once + 4096), "weights are distributed once: {all:?} bytes, one image {once}");
}

#[test]
fn a_client_that_is_killed_loses_nothing() {
    let place = place();
    let (mut roles, at) = roles(&place, &[]);
    let mut first = client(&place, &at);
    let (ledger, out) = (place.path("out/batch.json"), place.path("out"));
    first.wait_for(|| ledger.is_file());
    first.kill();
    let kept = json(&ledger)["images"].as_object().expect("images").len() as u64;
    let picture = fs::read(out.join("image-0000.png")).expect("drawn");
    assert!((2..5).contains(&kept) && !out.join("report.json").exists(), "{kept} images");
    // The same server and dealer go on with the rest.
    client(&place, &at).succeeds();
    let report = json(&out.join("report.json"));
    assert_eq!((report["kept"].as_u64(), report["images"].as_u64()), (Some(kept), Some(5 - kept)));
    assert!(picture == fs::read(out.join("image-0000.png")).expect("there"), "a finished picture was drawn again");
    assert_eq!(place.results("out").iter().filter(|n| n.starts_with("image-")).count(), 5);
    for role in &mut roles {
        role.kill();
    }
}

#[test]
fn a_batch_is_not_continued_with_other_weights() {
    let place = place();
    place.start(&[&BATCH[..], &["--shard", "0/3", "--no-fidelity"]].concat()).succeeds();
    let before = place.results("out");
    place.start(&[&BATCH[..], &["--shard", "0/3"]].concat()).succeeds();
    // The text encoder's last bias, changed by one bit.
    let weights = place.path("words/text_encoder/model.safetensors");
    let mut bytes = fs::read(&weights).expect("there");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&weights, bytes).expect("writable");
    place.start(&BATCH).fails(&["batch.json", "other weights", "--out"]);
    let ([server, dealer], at) = roles(&place, &[]);
    client(&place, &at).fails(&["batch.json", "other weights", "--out"]);
    assert_eq!(place.results("out"), before);
    drop((server, dealer));
}
