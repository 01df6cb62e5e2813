//! The subcommands, one per file: its flags, what they mean, what it does.

pub mod bench;
pub mod bench_modules;
pub mod bench_step;
pub mod dealer;
pub mod devices;
pub mod eval;
pub mod figures;
pub mod forward;
pub mod make_weights;
pub mod model_info;
pub mod networks;
pub mod plan;
pub mod run;
pub mod serve;
pub mod text;

use std::io::{self, Write};
use std::path::Path;

use crate::cli::Command;
use crate::error::{Error, Result};

/// Runs a subcommand.
pub fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run(args) => run::execute(*args),
        Command::Dealer(args) => dealer::execute(args),
        Command::Serve(args) => serve::execute(args),
        Command::Devices(args) => devices::execute(&args),
        Command::Plan(args) => plan::execute(&args),
        Command::Eval(args) => eval::execute(*args),
        Command::ModelInfo(args) => model_info::execute(&args),
        Command::Forward(args) => forward::execute(*args),
        Command::MakeWeights(args) => make_weights::execute(&args),
        Command::Bench { what } => bench::execute(what),
    }
}

/// Writes results to standard output; a reader that went away is an error, not a panic.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Stdout)
}

/// Finds out that a file can be written, without touching what is there.
fn writable(path: &Path) -> Result<()> {
    let new = !path.exists();
    std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(|e| Error::output(path, &e))?;
    if new {
        std::fs::remove_file(path).map_err(|e| Error::output(path, &e))?;
    }
    Ok(())
}
