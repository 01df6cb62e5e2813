//! The `harness` command: parses, dispatches, and turns an error into one line and an exit code.
//!
//! Exit codes: 0 done, 1 the job failed, 2 the command line was not understood.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use harness::cli::Cli;

fn main() -> ExitCode {
    quiet_driver();
    let cli = Cli::parse();
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

/// Mesa's device-select layer asks Wayland for the default device and, on machines without a desktop, complains on stderr
/// as if something had failed. The engine orders devices itself, so the layer is left out unless the user sets the variable.
fn quiet_driver() {
    const SWITCH: &str = "NODEVICE_SELECT";
    if std::env::var_os(SWITCH).is_none() {
        // SAFETY: called first in `main`, when this is the only thread.
        unsafe { std::env::set_var(SWITCH, "1") };
    }
}
