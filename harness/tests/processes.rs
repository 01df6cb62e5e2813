//! The three roles as processes of their own, and both forms of the kernels: always the same image.

mod common;

use std::fs;

use common::Place;

/// A short job whose every key is fixed.
const JOB: [&str; 11] =
    ["--quiet", "--model", "tiny", "--test-keys", "7", "--steps", "1", "--count", "1", "--class", "1"];

/// The picture that a job in this process makes with further flags.
fn picture(place: &Place, flags: &[&str], out: &str) -> Vec<u8> {
    place.start(&[&["run"], &JOB[..], &["--no-fidelity", "--out", out], flags].concat()).succeeds();
    fs::read(place.path(out).join("image-0000.png")).expect("a picture")
}

#[test]
fn three_processes_make_the_image_of_one() {
    let place = Place::new();
    let (dealer, dealer_at) = place.listen(&["dealer", "--test-keys", "7"]);
    let (server, server_at) = place.listen(&["serve", "--model", "tiny", "--dealer", &dealer_at, "--test-keys", "7"]);
    let there = picture(&place, &["--connect", &server_at, "--dealer", &dealer_at], "there");
    server.succeeds();
    dealer.succeeds();
    assert!(there == picture(&place, &[], "here"), "another image than in one process");
    let report = fs::read_to_string(place.path("there/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["online_bytes"]["client_to_server"].as_u64() > Some(0), "{report}");
}

#[test]
fn both_forms_of_the_kernels_make_the_same_image() {
    let place = Place::new();
    let portable = picture(&place, &["--kernels", "portable"], "portable");
    assert!(portable == picture(&place, &[], "auto"), "another image with portable kernels");
}
