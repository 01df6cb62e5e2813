//! The `harness` command: parses, dispatches, and turns an error into one line and an exit code.
//!
//! Exit codes: 0 done, 1 the job failed, 2 the command line was not understood.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use harness::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // SAFETY: there is no other thread yet.
    unsafe { harness::driver::prepare(cli.command.devices()) };
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
