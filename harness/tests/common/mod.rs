//! Real `harness` processes with deadlines, and model folders to spoil.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time a process of a test may take; a test that gets there has found one that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// A file of the assets folder.
pub fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(path)
}

/// Where a test's processes run.
pub struct Place(tempfile::TempDir);

/// A process that ends with the test at the latest.
pub struct Process {
    child: Child,
    what: String,
    /// A file, as nobody empties a pipe while the process runs.
    stderr: File,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A folder with the model `tiny`: the smallest fixture, arranged as diffusers does.
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("temporary folder"));
        for folder in ["tiny/unet", "tiny/scheduler"] {
            fs::create_dir_all(place.path(folder)).expect("temporary folder");
        }
        let text = fs::read(asset("fixtures/tiny-unet-class/config.json")).expect("a fixture");
        let mut config: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        config["_class_name"] = config["class"].clone();
        fs::write(place.path("tiny/unet/config.json"), config.to_string()).expect("temporary file");
        for (from, to) in [
            ("fixtures/tiny-unet-class/model.safetensors", WEIGHTS),
            ("binary-mnist/scheduler/scheduler_config.json", "tiny/scheduler/scheduler_config.json"),
        ] {
            fs::copy(asset(from), place.path(to)).expect("temporary file");
        }
        place
    }

    /// Adds the small text-to-image model as `words`.
    pub fn with_words(self) -> Self {
        copy(&asset("mini-sd"), &self.path("words"));
        self
    }

    /// Changes a JSON file.
    pub fn edit(&self, file: &str, how: impl FnOnce(&mut serde_json::Value)) {
        let file = self.path(file);
        let mut json = serde_json::from_slice(&fs::read(&file).expect("a fixture")).expect("JSON");
        how(&mut json);
        fs::write(file, json.to_string()).expect("temporary file");
    }

    /// A path in this place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Changes the weights of the model `tiny`: header, its length on disk, and all bytes.
    pub fn spoil(&self, how: impl FnOnce(&mut serde_json::Value, &mut Vec<u8>)) {
        let file = self.path(WEIGHTS);
        let bytes = fs::read(&file).expect("a fixture");
        let (length, rest) = bytes.split_first_chunk().expect("a length");
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let mut header = serde_json::from_slice(header).expect("JSON");
        let mut data = data.to_vec();
        how(&mut header, &mut data);
        let header = header.to_string();
        let length = (header.len() as u64).to_le_bytes();
        fs::write(file, [&length, header.as_bytes(), &data].concat()).expect("temporary file");
    }

    /// Starts `harness` with these arguments.
    pub fn start(&self, args: &[&str]) -> Process {
        self.start_with(args, &[])
    }

    /// Starts `harness` in another environment.
    pub fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.current_dir(self.0.path()).args(args).env_remove("RUST_LOG").env("NO_COLOR", "1");
        command.env("MASQUE_CACHE", self.path("cache"));
        let stderr = tempfile::tempfile().expect("temporary file");
        let theirs = stderr.try_clone().expect("a second handle");
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(theirs);
        Process { child: command.spawn().expect("the binary starts"), what: args.join(" "), stderr }
    }

    /// Starts a role that listens for one session, and tells where.
    pub fn listen(&self, args: &[&str]) -> (Process, String) {
        self.listen_on(&[args, &["--sessions", "1"]].concat())
    }

    /// Starts a role that listens, and tells where.
    pub fn listen_on(&self, args: &[&str]) -> (Process, String) {
        let mut process = self.start(&[args, &["--listen", "127.0.0.1:0"]].concat());
        let mut line = String::new();
        let stdout = process.child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("readable");
        let Some((_, at)) = line.trim().split_once(" listens on ") else {
            panic!("{args:?} does not listen: {:?}", process.end());
        };
        (process, at.to_owned())
    }

    /// Names of the files that are in the results folder `out`.
    pub fn results(&self, out: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(out)).into_iter().flatten();
        entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("temporary folder");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("temporary file");
        }
    }
}

/// The weights of the model `tiny`.
const WEIGHTS: &str = "tiny/unet/diffusion_pytorch_model.safetensors";

impl Process {
    /// Ends it from outside, as a user or the system would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    /// Waits until something is the case while it runs.
    pub fn wait_for(&mut self, what: impl Fn() -> bool) {
        let start = Instant::now();
        while !what() {
            assert_eq!(self.child.try_wait().expect("it ran"), None, "harness {} ended too early", self.what);
            assert!(start.elapsed() < LIMIT, "harness {} hangs", self.what);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> End {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it ran") {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => panic!("harness {} hangs", self.what),
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        let mut end = End { code: status.code(), stdout: String::new(), stderr: String::new() };
        self.child.stdout.take().expect("piped").read_to_string(&mut end.stdout).expect("text");
        self.stderr.rewind().expect("a file");
        self.stderr.read_to_string(&mut end.stderr).expect("text");
        end
    }

    /// Expects that it ends with code 1 and one line, in which every one of these texts is found.
    pub fn fails(self, names: &[&str]) {
        let what = self.what.clone();
        let end = self.end();
        assert_eq!(end.code, Some(1), "{what}: {end:?}");
        let lines: Vec<&str> = end.stderr.lines().filter(|l| !l.contains("WARN ")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("error: "), "{what}: {end:?}");
        for name in names {
            assert!(lines[0].contains(name), "{what}: {:?} does not name {name:?}", lines[0]);
        }
    }

    /// Expects that it ends well.
    pub fn succeeds(self) {
        let what = self.what.clone();
        let end = self.end();
        assert_eq!(end.code, Some(0), "{what}: {end:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
