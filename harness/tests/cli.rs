//! The `harness` binary from outside: exit codes, one clear line per error, nothing left behind.
//!
//! What belongs here: whatever a user sees before anything is computed. Values and files of finished jobs are tested
//! beside the code that makes them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary in `dir`, away from the repository and from the caller's environment.
fn harness(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(dir).args(args).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("the binary starts")
}

/// A folder with a model called `toy` that has classes 0 and 1, and no weights.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for folder in ["toy/unet", "toy/scheduler"] {
        fs::create_dir_all(dir.path().join(folder)).expect("temporary folder");
    }
    let unet = r#"{"_class_name": "UNet2DModel", "num_class_embeds": 3}"#;
    fs::write(dir.path().join("toy/unet/config.json"), unet).expect("temporary file");
    fs::write(dir.path().join("toy/scheduler/scheduler_config.json"), "{}").expect("temporary file");
    dir
}

/// Expects exit code 1 and a single line that names what is wrong.
fn fails(args: &[&str], names: &str) {
    let dir = workplace();
    fs::write(dir.path().join("file"), "").expect("temporary file");
    let output = harness(dir.path(), args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{args:?}: {stderr:?}");
    assert!(stderr.contains(names), "{args:?}: {stderr:?} does not name {names:?}");
    assert!(output.stdout.is_empty(), "{args:?}: an error has no results");
    assert!(!dir.path().join("out").exists(), "{args:?}: a job that cannot start leaves no folder");
}

#[test]
fn bad_settings_end_with_1() {
    let run = |flags: &[&str], names: &str| fails(&[&["run", "--model", "toy"], flags].concat(), names);
    run(&["--class", "2"], "choose from 0 to 1");
    run(&["--count", "0"], "--count 0");
    run(&["--steps", "0"], "--steps 0");
    run(&["--steps", "1001"], "1 to 1000");
    run(&["--approx", "exact"], "--mode plain");
    run(&["--guidance-eta", "NaN"], "--guidance-eta");
    run(&["--guidance-scale", "-2"], "--guidance-scale -2");
    run(&["--mode", "plain", "--connect", "a:1", "--dealer", "b:2"], "--mode plain");
    fails(&["plan", "--model", "toy", "--approx", "exact"], "--approx precise");
    fails(&["plan", "--model", "toy", "--count", "0"], "--count 0");
}

#[test]
fn bad_models_end_with_1() {
    fails(&["run", "--model", "nowhere"], "nowhere: no such folder");
    fails(&["run", "--model", "file"], "no such folder");
    fails(&["run", "--model", "."], "config.json");
    fails(&["plan", "--model", "nowhere"], "--model");
    fails(&["serve", "--listen", "127.0.0.1:0", "--dealer", "127.0.0.1:1", "--model", "nowhere"], "--model");
}

#[test]
fn unwritable_folders_end_with_1_before_anything_is_computed() {
    fails(&["run", "--model", "toy", "--out", "file"], "cannot write file: ");
    fails(&["run", "--model", "toy", "--out", "file/below"], "--out");
}

#[test]
fn what_cannot_be_parsed_ends_with_2() {
    let usage: [&[&str]; 12] = [
        &[],
        &["paint"],
        &["run", "--colour"],
        &["run", "--steps", "many"],
        &["run", "--count", "-1"],
        &["run", "--classes", "0,,1"],
        &["run", "--class", "0", "--classes", "1"],
        &["run", "--approx", "sloppy"],
        &["run", "--connect", "127.0.0.1:7000"],
        &["run", "--connect", "127.0.0.1", "--dealer", "127.0.0.1:7001"],
        &["dealer"],
        &["serve", "--listen", "127.0.0.1:0"],
    ];
    for args in usage {
        let output = harness(workplace().path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    for args in [&["--help"][..], &["--version"], &["run", "--help"], &["dealer", "-h"], &["devices", "--help"]] {
        let output = harness(workplace().path(), args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

/// Products are timed on every adapter, and what is kept names each of them.
#[test]
fn calibration_is_kept() {
    let dir = workplace();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .current_dir(dir.path())
            .args(args)
            .env("XDG_CACHE_HOME", dir.path())
            .output()
            .expect("the binary starts")
    };
    let output = run(&["devices", "--calibrate"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("u64 x i16") && stdout.matches("16 columns").count() >= 4, "{stdout}");
    assert_eq!(stdout.matches('*').count() % 4, 0, "a choice for each format: {stdout}");
    let file = std::fs::read(dir.path().join("masque/tiles.json")).expect("a file in the cache folder");
    let kept: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    let name = stdout.lines().next().and_then(|l| l.split_once("  ")).expect("an adapter").1;
    assert!(kept.as_object().expect("a table").keys().any(|k| k.starts_with(name)), "{kept} without {name}");
}

#[test]
fn test_keys_are_loud() {
    let dir = workplace();
    let args = ["run", "--model", "toy", "--out", "out", "--test-keys", "123456789"];
    let output = harness(dir.path(), &args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("INSECURE"), "{stderr}");
    assert!(!stderr.contains("123456789"), "a key was logged: {stderr}");
    assert_ne!(output.status.code(), Some(0), "a model without weights cannot run");
    assert!(!dir.path().join("out/report.json").exists());
}
