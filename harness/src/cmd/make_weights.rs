//! `harness make-weights`: a model folder of full size without a download.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use masque_models::presets::{Preset, Written};
use masque_models::weight_rule;

use crate::engine::EngineError;
use crate::error::{Error, Result};
use crate::{model, units};

/// CLIP's vocabulary.
const TOKENIZER: &str = "assets/mini-sd/tokenizer";

/// Flags of `harness make-weights`.
#[derive(Args)]
pub struct MakeWeightsArgs {
    /// Which model: sd15 has the configuration of Stable Diffusion v1.5
    #[arg(long, value_name = "NAME", default_value = "sd15", value_parser = preset)]
    pub config: &'static Preset,
    /// Folder to write; an interrupted run is completed, files of another model are not touched
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How numbers are stored; sd15 takes 4.1 GB as single and 2.1 GB as half
    #[arg(long, value_enum, default_value_t)]
    pub precision: Precision,
    /// Tokenizer to copy: a folder with CLIP's vocab.json and merges.txt [default: the shipped one]
    #[arg(long, value_name = "DIR")]
    pub tokenizer: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// `--precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32 bits: the rule, exactly
    #[default]
    Single,
    /// 16 bits: the rule, rounded
    Half,
}

impl From<Precision> for weight_rule::Precision {
    fn from(p: Precision) -> Self {
        match p {
            Precision::Single => Self::Single,
            Precision::Half => Self::Half,
        }
    }
}

fn preset(name: &str) -> std::result::Result<&'static Preset, String> {
    Preset::named(name).map_err(|e| e.to_string())
}

/// Writes the folder.
pub fn execute(args: &MakeWeightsArgs) -> Result<()> {
    let tokenizer = match &args.tokenizer {
        Some(folder) => folder.clone(),
        None => model::shipped(TOKENIZER).ok_or_else(|| {
            Error::model(Path::new(TOKENIZER), "not found here or beside the executable; name one with --tokenizer")
        })?,
    };
    write(args.config, &args.out, args.precision, &tokenizer, args.quiet)?;
    super::print(&format!("{}: {} with weights by the rule\n", args.out.display(), args.config.name))
}

fn write(
    preset: &Preset,
    out: &Path,
    precision: Precision,
    tokenizer: &Path,
    quiet: bool,
) -> std::result::Result<(), EngineError> {
    let bar = match quiet || !io::stderr().is_terminal() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(0).with_style(
            ProgressStyle::with_template("{msg}  {bar:32.cyan/dim}  {decimal_bytes}/{decimal_total_bytes}, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        ),
    };
    // Where there is no bar, a line for each file.
    let (lines, mut shown) = (!quiet && bar.is_hidden(), String::new());
    let mut progress = |now: Written<'_>| {
        if now.file != shown {
            shown = now.file.to_owned();
            bar.set_length(now.total);
            bar.set_message(shown.clone());
            if lines {
                eprintln!("{shown} ({} of {})", units::bytes(now.done), units::bytes(now.total));
            }
        }
        bar.set_position(now.done);
    };
    let done = preset.write(out, precision.into(), Some(tokenizer), &mut progress);
    bar.finish_and_clear();
    Ok(done?)
}

#[cfg(test)]
mod tests {
    use masque_models::presets::PRESETS;

    use super::*;

    #[test]
    fn every_configuration_can_be_named() {
        assert!(PRESETS.iter().all(|p| preset(p.name) == Ok(p)));
        assert!(preset("sd16").is_err_and(|e| e.contains("sd15")));
    }
}
