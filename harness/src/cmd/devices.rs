//! `harness devices`: what there is to compute on.

use std::fmt::Write;

use clap::Args;
use masque_engine::kernels::Format;
use masque_engine::kernels::tiles::{Timing, fastest};

use crate::config::{AdapterChoice, GpuConfig, Kernels};
use crate::engine::{self, Device, tiles};
use crate::error::Result;

/// Flags of `harness devices`.
#[derive(Args, Debug)]
pub struct DevicesArgs {
    /// Time matrix products on every adapter and keep the fastest tiles for later commands. On a GPU the first command does
    /// so by itself; on a software adapter this does
    #[arg(long)]
    pub calibrate: bool,
}

/// Lists the adapters.
pub fn execute(args: &DevicesArgs) -> Result<()> {
    let devices = engine::devices()?;
    super::print(&table(&devices))?;
    if args.calibrate {
        for index in 0..devices.len() {
            let gpu = GpuConfig { adapter: Some(AdapterChoice::Index(index)), kernels: Kernels::Auto, memory: None };
            let (timings, file) = tiles::calibrate(&gpu)?;
            super::print(&format!("{index}  products, kept in {}\n{}", file.display(), products(&timings)))?;
        }
    }
    Ok(())
}

/// A line for each format: its widths with their speeds, what is taken marked.
fn products(timings: &[Timing]) -> String {
    let mut taken = fastest(timings);
    let mut text = String::new();
    for rule in timings.iter().filter(|t| t.rule) {
        let width = rule.format.tile(&mut taken).map_or(rule.width, usize::from);
        let _ =
            write!(text, "     {} x {}", if rule.format == Format::F32 { "f32" } else { "u64" }, rule.format.name());
        for t in timings.iter().filter(|t| t.format == rule.format) {
            let mark = if t.width == width { "*" } else { " " };
            let _ = write!(text, "  {:>2} columns {:8.2} GMAC/s{mark}", t.width, t.rate / 1e9);
        }
        text.push('\n');
    }
    text
}

fn table(devices: &[Device]) -> String {
    let mut text = String::new();
    for (index, device) in devices.iter().enumerate() {
        let a = &device.adapter;
        let kernels = match a.kernels {
            Kernels::Portable => "portable kernels (32-bit words)",
            _ => "native kernels (64-bit integers)",
        };
        let _ = writeln!(text, "{index}  {}\n   {}, {}, {}, {kernels}", a.name, device.kind, a.backend, a.driver);
        let width = device.limits.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &device.limits {
            let _ = writeln!(text, "     {name:width$}  {value}");
        }
    }
    if devices.is_empty() {
        text.push_str("no graphics adapter found; scripts/setup.sh installs a software one\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Adapter;

    #[test]
    fn one_block_per_adapter() {
        let adapter = Adapter {
            name: "Toy".into(),
            driver: "toy 1.0".into(),
            backend: "vulkan".into(),
            kernels: Kernels::Portable,
        };
        let limits = vec![("binding".into(), "128 MiB".into()), ("invocations".into(), "256".into())];
        let text = table(&[Device { adapter, kind: "software".into(), limits }]);
        assert!(text.starts_with("0  Toy\n   software, vulkan, toy 1.0, portable kernels"));
        assert!(text.contains("     binding      128 MiB\n     invocations  256\n"));
        assert!(table(&[]).contains("scripts/setup.sh"));
    }
}
