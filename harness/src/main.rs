//! The `harness` command: parses, dispatches, and turns an error into one line and an exit code.
//!
//! Exit codes: 0 done, 1 the job failed, 2 the command line was not understood.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use harness::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    prepare_driver(cli.command.devices());
    harness::logging::init(cli.verbose);
    match harness::cmd::dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // `harness devices | head` closes the pipe early; that is no error.
        Err(e) if e.is_broken_pipe() => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "error: {}", e.one_line());
            ExitCode::FAILURE
        }
    }
}

/// Sets what Mesa's drivers read from the environment, where the user has not.
///
/// * Its device-select layer asks Wayland for the default device and, on machines without a desktop, complains on stderr as if
///   something had failed. The engine orders devices itself, so the layer is left out.
/// * llvmpipe gives every device a thread per core. Several devices in one process then wait for each other's threads more than
///   they compute, so each gets its part of the cores: two compute at the same time, a dealer's in between. A
///   single thread is the driver's own (0).
fn prepare_driver(devices: usize) {
    set_if_missing("NODEVICE_SELECT", "1");
    if devices > 1 {
        let each = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
        let threads = if each < 2 { 0 } else { each };
        set_if_missing("LP_NUM_THREADS", &threads.to_string());
    }
}

fn set_if_missing(name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        // SAFETY: called from `main` only, before it starts any thread.
        unsafe { std::env::set_var(name, value) };
    }
}
