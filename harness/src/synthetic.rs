//! Settings and outcomes made by hand, for tests of everything around the engine.

use std::path::Path;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{Kernels, RunConfig};
use crate::engine::{Drawn, Outcome};
use crate::error::Result;
use crate::images::{Fidelity, Pictures};
use crate::model::fixture;
use crate::report::{Adapter, Layer, OfflineBytes, OnlineBytes, Report, Role, RoleReport};

/// The settings that `harness run` makes of these flags, with a toy model and `dir/out` for the results.
pub(crate) fn resolve(dir: &Path, flags: &[&str]) -> Result<RunConfig> {
    resolve_for(dir, &fixture::two_classes(dir), flags)
}

/// As [`resolve`], with a toy text-to-image model.
pub(crate) fn resolve_text(dir: &Path, flags: &[&str]) -> Result<RunConfig> {
    resolve_for(dir, &fixture::text(dir), flags)
}

/// As [`resolve`], with the model in a folder.
pub(crate) fn resolve_for(dir: &Path, model: &Path, flags: &[&str]) -> Result<RunConfig> {
    let out = dir.join("out");
    let typed = ["harness", "run", "--quiet", "--model", model.to_str().unwrap(), "--out", out.to_str().unwrap()];
    match Cli::try_parse_from(typed.iter().chain(flags)).expect("flags that parse").command {
        Command::Run(args) => args.resolve(),
        _ => unreachable!("run was typed"),
    }
}

/// Gradients of 28 x 28.
pub(crate) fn drawn(images: usize) -> Drawn {
    let values = (0..images * 28 * 28).map(|i| (i % 28) as f32 / 13.5 - 1.0).collect();
    Drawn { values, extents: [images, 28, 28, 1] }
}

/// An outcome of a secure job: numbers that no engine made.
pub(crate) fn outcome() -> Outcome {
    let role = RoleReport { compute_s: 30.5, wait_s: 12.25, peak_gpu_bytes: 180_000_000, peak_rss_bytes: 900_000_000 };
    let per_layer =
        [("conv_in", "conv2d"), ("mid_block.norm", "group_norm"), ("mid_block.attn", "attention"), ("act", "relu")];
    let per_layer = per_layer.iter().enumerate().map(|(i, (name, op))| Layer {
        name: (*name).into(),
        op: (*op).into(),
        compute_s: 7.0 / (i + 1) as f64,
        online_bytes: 123_456_789 / (i as u64 + 1),
        offline_bytes: 77_000_000 * i as u64,
        rounds: 50 * i as u64,
    });
    Outcome {
        fidelity: Some(Fidelity { max_abs: 0.01, mean_abs: 0.005, psnr_db: Some(51.0) }),
        adapter: Adapter {
            name: "Toy adapter".into(),
            driver: "toy 1.0".into(),
            backend: "vulkan".into(),
            kernels: Kernels::Native,
        },
        wall_s: 93.5,
        roles: [Role::Dealer, Role::Server, Role::Client].map(|r| (r, role)).into(),
        online_bytes: OnlineBytes { client_to_server: 2_000_000_000, server_to_client: 1_500_000_000 },
        offline_bytes: OfflineBytes { dealer_to_client: 1_000, dealer_to_server: 4_000_000_000 },
        setup_bytes: 5_500_000,
        rounds: 12_345,
        per_layer: per_layer.collect(),
        leaks: vec!["row maxima of the attention were opened".into()],
        versions: [("wgpu".to_owned(), "0.0".to_owned())].into(),
    }
}

/// A report and its pictures.
pub(crate) fn report_and_pngs() -> (Report, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let config = resolve(dir.path(), &[]).expect("good settings");
    let drawn = drawn(config.images());
    let pictures = Pictures::from_floats(&drawn.values, drawn.extents).expect("pictures");
    (Report::new(&config, &outcome()), pictures.to_pngs().expect("encodes"))
}
