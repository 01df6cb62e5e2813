//! `harness forward`: one module on anybody's tensors, to compare with one's own reference.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use masque_engine::approx;
use masque_engine::correlated::Scope;
use masque_engine::exec::{ExecError, Plain, check_ranges};
use masque_engine::graph::{Tensor, WeightStore};
use masque_engine::net::Link;
use masque_engine::protocol::Cost;
use masque_models::forward::Difference;
use masque_models::{Forward, ModuleConfig, TensorFile, tensors};

use crate::bench::trio::Trio;
use crate::cli::GpuArgs;
use crate::config::{self, Approx, Mode};
use crate::engine::{self, EngineError, Progress};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::units;

/// Flags of `harness forward`.
#[derive(Args)]
pub struct ForwardArgs {
    /// Folder of one module, with config.json and weights: a conditional or class-conditional UNet, a VAE (its decoder
    /// runs), or a CLIP text encoder
    #[arg(value_name = "MODULE_DIR")]
    pub module: PathBuf,
    /// Inputs by name, as PyTorch has them: sample, timestep, encoder_hidden_states, class_labels; latent; input_ids
    #[arg(long, value_name = "FILE.safetensors")]
    pub inputs: PathBuf,
    /// Where the result goes, as the tensor "out"
    #[arg(long, value_name = "FILE.safetensors")]
    pub output: PathBuf,
    /// Tensor among the inputs that the result is compared with
    #[arg(long, value_name = "NAME")]
    pub expect: Option<String>,
    /// Fail if the largest error, over the largest magnitude expected, is beyond this
    #[arg(long, value_name = "RELATIVE", requires = "expect")]
    pub tolerance: Option<f64>,
    /// On shares between three roles in this process, or in f32
    #[arg(long, value_enum, default_value = "plain")]
    pub mode: Mode,
    /// Functions that stand in for SiLU, GeLU, exp [default: exact in plain mode, precise in secure mode]
    #[arg(long, value_enum)]
    pub approx: Option<Approx>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Device flags.
    #[command(flatten)]
    pub gpu: GpuArgs,
}

/// Evaluates, writes, compares.
pub fn execute(args: ForwardArgs) -> Result<()> {
    let approx = match (args.mode, args.approx) {
        (_, Some(approx)) => approx,
        (Mode::Plain, None) => Approx::Exact,
        (Mode::Secure, None) => Approx::Precise,
    };
    if args.mode == Mode::Secure {
        config::check_secure(approx)?;
    }
    super::writable(&args.output)?;
    let approx = approx::Approx::from(approx);
    let mut reporter = Reporter::new(args.quiet);
    let result = evaluate(&args, approx, &mut |p| reporter.event(&p));
    reporter.finish();
    let Evaluated { kind, result, expected, cost } = result?;
    let named = [("out", result)];
    tensors::write_all(&args.output, &named).map_err(EngineError::from)?;
    let [(_, result)] = named;
    let mut text = format!("{kind}, {approx}\nout {:?} is in {}\n", result.shape, args.output.display());
    if let Some(cost) = cost {
        let _ = writeln!(
            text,
            "{} to the server, {} to the client, {} offline, {} rounds",
            units::bytes(cost.to_server),
            units::bytes(cost.to_client),
            units::bytes(cost.offline),
            cost.half_rounds as f64 / 2.0
        );
    }
    let difference = expected.map(|e| Difference::of(&result, &e)).transpose().map_err(EngineError::from)?;
    if let Some(d) = difference {
        let Difference { largest, relative, mean } = d;
        let _ = writeln!(text, "largest error {largest:.3e}, relative {relative:.3e}, mean {mean:.3e}");
    }
    super::print(&text)?;
    match (difference, args.tolerance) {
        (Some(d), Some(most)) if d.relative > most || d.relative.is_nan() => {
            let what = format!("the relative error {:.3e} is beyond --tolerance {most:e}", d.relative);
            Err(Error::Setting(what))
        }
        _ => Ok(()),
    }
}

struct Evaluated {
    kind: String,
    result: Tensor,
    expected: Option<Tensor>,
    cost: Option<Cost>,
}

fn evaluate(
    args: &ForwardArgs,
    approx: approx::Approx,
    progress: &mut dyn FnMut(Progress),
) -> std::result::Result<Evaluated, EngineError> {
    let module = ModuleConfig::read(&args.module)?;
    let inputs = TensorFile::open(&args.inputs)?;
    let forward = Forward::new(&module, &inputs)?;
    // What cannot be compared is found before anything is computed.
    let expected = args.expect.as_ref().map(|name| inputs.tensor(name)).transpose()?;
    if let Some(expected) = &expected {
        forward.fits(expected)?;
    }
    progress(Progress::Phase("reading weights"));
    let weights: Arc<dyn WeightStore> = Arc::new(module.weights(&args.module)?);
    let choice = engine::adapter_choice(&args.gpu.clone().resolve());
    let (values, cost) = match args.mode {
        Mode::Plain => {
            progress(Progress::Phase("computing"));
            let gpu = masque_engine::gpu::Gpu::open(&choice)?;
            (Plain::new(gpu, forward.graph.clone(), weights, approx).run(&forward.borrowed())?, None)
        }
        Mode::Secure => {
            let plan = module.plan(&forward.graph, approx).map_err(ExecError::Plan)?;
            let trio = Trio::open(&choice, Link::LOOPBACK)?;
            progress(Progress::Phase("checking ranges"));
            check_ranges(trio.gpu(), forward.graph.clone(), weights.clone(), &plan, &forward.borrowed())?;
            progress(Progress::Phase("setting up the session"));
            let mut trio = trio.session(&forward.graph, &plan, &weights)?;
            progress(Progress::Phase("computing on shares"));
            let [client, ..] = trio.together(Scope::default(), |s| {
                let before = s.ctx.cost();
                let out = forward.secure(s)?;
                Ok((out, s.ctx.cost() - before))
            })?;
            (client.0.ok_or("the client received no result")?, Some(client.1))
        }
    };
    Ok(Evaluated { kind: module.kind().into(), result: forward.output(values), expected, cost })
}
