//! The three roles as processes of their own, and both forms of the kernels: always the same image.

mod common;

use std::fs;

use common::{Place, asset};

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
fn maxima_that_are_revealed_on_request() {
    let place = Place::new();
    let report = |flags: &[&str], out: &str| -> serde_json::Value {
        place.start(&[&["run"], &JOB[..], &["--out", out], flags].concat()).succeeds();
        serde_json::from_slice(&fs::read(place.path(out).join("report.json")).expect("a report")).expect("JSON")
    };
    let (secure, revealed) = (report(&[], "secure"), report(&["--max", "revealed"], "revealed"));
    assert_eq!((&secure["maximum"], &revealed["maximum"]), (&"secure".into(), &"revealed".into()));
    let leaks = |report: &serde_json::Value| report["leaks"].to_string().contains("the client saw every logit");
    assert!(!leaks(&secure) && leaks(&revealed), "{}", revealed["leaks"]);
    let page = fs::read_to_string(place.path("revealed/report.html")).expect("a page");
    assert!(page.contains("the client saw every logit"), "the page says nothing of it");
    let rounds = |report: &serde_json::Value| report["rounds"].as_u64().expect("a number");
    assert!(rounds(&revealed) < rounds(&secure), "{} and {} rounds", rounds(&revealed), rounds(&secure));
    for report in [secure, revealed] {
        assert!(report["fidelity"]["psnr_db"].as_f64() > Some(30.0), "{}", report["fidelity"]);
    }
}

/// A short text-to-image job whose every key is fixed.
const TEXT_JOB: [&str; 11] = [
    "--quiet",
    "--test-keys",
    "7",
    "--steps",
    "1",
    "--prompt",
    "a photo of a crimson boot",
    "--negative-prompt",
    "teal",
    "--approx-text",
    "loose",
];

#[test]
fn prompts_stay_with_the_client() {
    let place = Place::new();
    let model = asset("mini-sd");
    let model = ["--model", model.to_str().expect("a plain path")];
    let run = |flags: &[&str], out: &str| {
        let end = place.start(&[&["-vv", "run", "--out", out], &TEXT_JOB[..], &model, flags].concat()).end();
        assert_eq!(end.code, Some(0), "{end:?}");
        let report = fs::read_to_string(place.path(out).join("report.json")).expect("a report");
        (fs::read(place.path(out).join("image-0000.png")).expect("a picture"), report, end)
    };
    let (dealer, dealer_at) = place.listen(&["-vv", "dealer", "--test-keys", "7"]);
    let serve = ["-vv", "serve", "--dealer", &dealer_at, "--test-keys", "7"];
    let (server, server_at) = place.listen(&[&serve[..], &model].concat());
    let (there, report, client) = run(&["--connect", &server_at, "--dealer", &dealer_at], "there");
    for (name, end) in [("server", server.end()), ("dealer", dealer.end()), ("client", client)] {
        assert_eq!(end.code, Some(0), "{name}: {end:?}");
        let said = end.stdout + &end.stderr;
        assert!(!said.contains("crimson") && !said.contains("teal"), "the {name} says what is drawn: {said}");
    }
    assert!(!report.contains("crimson") && !report.contains("teal"), "{report}");
    let (here, report, _) = run(&[], "here");
    assert!(there == here, "another image than in one process");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["fidelity"]["psnr_db"].as_f64() > Some(30.0), "{}", report["fidelity"]);
    let layers = report["per_layer"].as_array().expect("a list");
    for network in ["text_encoder.", "unet.", "vae."] {
        let named = |l: &&serde_json::Value| l["name"].as_str().is_some_and(|n| n.starts_with(network));
        let bytes: u64 = layers.iter().filter(named).filter_map(|l| l["online_bytes"].as_u64()).sum();
        assert!(bytes > 0, "{network} runs on shares");
    }
}

#[test]
fn a_client_that_encodes_and_decodes_itself() {
    let place = Place::new();
    let model = asset("mini-sd");
    let model = ["--model", model.to_str().expect("a plain path")];
    let places = ["--text-encoder", "client", "--vae", "client", "--sampler", "ddpm", "--guidance-scale", "1"];
    let long = "a photo of a red sneaker beside a very old and very large wooden box of apples";
    let job = ["run", "--quiet", "--steps", "1", "--out", "out", "--prompt", long];
    let end = place.start(&[&job[..], &places, &model].concat()).end();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("warning: the prompt has more than 14 tokens"), "{end:?}");
    assert!(end.stderr.contains("ignored: \"box of apples\""), "{end:?}");
    let report = fs::read_to_string(place.path("out/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["fidelity"]["psnr_db"].as_f64() > Some(30.0), "{}", report["fidelity"]);
    assert_eq!(report["text"]["approx_vae"], "exact");
    let layers = report["per_layer"].as_array().expect("a list");
    assert!(layers.iter().all(|l| !l["name"].as_str().expect("a name").starts_with("vae.")), "{report}");
}

#[test]
fn weights_that_do_not_fit_make_the_same_image() {
    let place = Place::new();
    let all = picture(&place, &[], "all");
    // Nothing stays; some layers do.
    for memory in ["1B", "16KiB"] {
        assert!(all == picture(&place, &["--gpu-memory", memory], "some"), "another image with {memory} for weights");
    }
    let plain = ["--mode", "plain", "--quiet", "--model", "tiny", "--steps", "2", "--count", "1"];
    let plain = |flags: &[&str], out: &str| {
        place.start(&[&["run"], &plain[..], &["--out", out], flags].concat()).succeeds();
        fs::read(place.path(out).join("image-0000.png")).expect("a picture")
    };
    assert!(plain(&[], "plain") == plain(&["--gpu-memory", "1B"], "plain"), "another image in plaintext");
}

#[test]
fn both_forms_of_the_kernels_make_the_same_image() {
    let place = Place::new();
    let portable = picture(&place, &["--kernels", "portable"], "portable");
    assert!(portable == picture(&place, &[], "auto"), "another image with portable kernels");
}
