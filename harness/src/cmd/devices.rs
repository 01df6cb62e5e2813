//! `harness devices`: what there is to compute on.

use std::fmt::Write;

use crate::config::Kernels;
use crate::engine::{self, Device};
use crate::error::Result;

/// Lists the adapters.
pub fn execute() -> Result<()> {
    super::print(&table(&engine::devices()?))
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
