//! Whole networks of a model between three roles: what each costs, beside the paper's Table 9.

mod input;
mod report;
mod session;
mod table;

use std::sync::Arc;

use masque_engine::approx::Approx;
use masque_engine::exec::{ExecError, Plain};
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Tensor, WeightStore};
use masque_engine::net::Link;
use masque_models::forward::Difference;
use masque_models::{Forward, Info, ModuleConfig};

use super::Result;
use super::report::Spread;

pub use input::{Source, example};
pub use report::{Report, Row, SCHEMA, Timed};
pub use session::{Dealing, Evaluation, Part, Session};
pub use table::{csv, text};

/// How modules are measured.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Functions.
    pub approx: Approx,
    /// Links between the parties.
    pub links: Vec<Link>,
    /// Timed evaluations for each.
    pub repeat: usize,
    /// When the dealer computes.
    pub dealing: Dealing,
}

/// Measures a module: one evaluation that is compared with the plaintext network and compiles the kernels, then the timed
/// ones.
pub fn measure(
    gpus: [Arc<Gpu>; 3],
    config: &ModuleConfig,
    forward: Forward,
    weights: &Arc<dyn WeightStore>,
    wanted: &Wanted,
) -> Result<Row> {
    let forward = Arc::new(forward);
    let info = Info::of(&forward.graph);
    let plain =
        Plain::new(gpus[0].clone(), forward.graph.clone(), weights.clone(), wanted.approx).run(&forward.borrowed())?;
    let plan = config.plan(&forward.graph, wanted.approx).map_err(ExecError::Plan)?;
    let mut session = Session::open(gpus, forward.clone(), &plan, weights, &|_| None)?;
    let first = session.evaluate(wanted.dealing)?;
    let tensor = |data: Vec<f32>| Tensor { shape: vec![data.len()], data };
    let difference = Difference::of(&tensor(first.output), &tensor(plain))?;
    if difference.relative.is_nan() {
        return Err("the result holds values that are no numbers".into());
    }
    let (mut times, mut compute, mut offline) = (vec![], vec![], vec![]);
    for link in &wanted.links {
        session.shape(*link);
        let mut totals = vec![];
        for _ in 0..wanted.repeat {
            let one = session.evaluate(wanted.dealing)?;
            if one.cost != first.cost {
                return Err(
                    format!("an evaluation costs {:?}, another {:?}; this is a bug", one.cost, first.cost).into()
                );
            }
            totals.push(one.total.as_secs_f64());
            compute.push((one.total - one.network).as_secs_f64());
            offline.push(one.offline.as_secs_f64());
        }
        times.push(Timed { link: link.to_string(), total_s: Spread::of(totals) });
    }
    Ok(Row {
        module: config.kind().into(),
        shape: forward.graph.node(forward.graph.output).shape.clone(),
        parameters: info.parameters,
        macs: info.macs,
        setup_s: session.setup().as_secs_f64(),
        setup_bytes: session.setup_bytes(),
        compute_s: Spread::of(compute),
        offline_s: Spread::of(offline),
        times,
        to_server_bytes: first.cost.to_server,
        to_client_bytes: first.cost.to_client,
        offline_bytes: first.cost.offline,
        rounds: first.cost.half_rounds as f64 / 2.0,
        max_error: difference.largest,
        relative_error: difference.relative,
    })
}
