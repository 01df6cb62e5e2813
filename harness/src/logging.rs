//! Diagnostics on stderr.
//!
//! Secrets (classes, pixels, shares, keys) are never logged, at any level: settings that hold one wrap it in
//! [`crate::config::Secret`], whose `Debug` form says nothing.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::uptime;

/// Filter for a number of `-v`: libraries stay one level quieter than the project's own crates. What the Vulkan loader
/// says (that it found no driver, for one) comes back to us as an error, and is worded there.
fn directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "error,wgpu_hal::vulkan::instance=off,harness=warn,masque_engine=warn,masque_models=warn",
        1 => "warn,harness=info,masque_engine=info,masque_models=info",
        2 => "info,harness=debug,masque_engine=debug,masque_models=debug",
        _ => "debug,harness=trace,masque_engine=trace,masque_models=trace",
    }
}

/// Installs the subscriber. `RUST_LOG`, where set and valid, replaces what `-v` asks for.
pub fn init(verbose: u8) {
    let (filter, bad) = match std::env::var("RUST_LOG") {
        Ok(text) if !text.trim().is_empty() => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(e) => (EnvFilter::new(directives(verbose)), Some(e)),
        },
        _ => (EnvFilter::new(directives(verbose)), None),
    };
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A second call (in tests) finds a subscriber in place; that one stays.
    let _ = lines.with_timer(uptime()).with_env_filter(filter).try_init();
    if let Some(e) = bad {
        tracing::warn!("RUST_LOG is ignored: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_valid_filter() {
        for verbose in 0..5 {
            assert!(EnvFilter::try_new(directives(verbose)).is_ok());
        }
    }
}
