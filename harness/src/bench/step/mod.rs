//! One network between three roles in detail: what each kind of layer costs, what limits it, and what the paper states.

mod kinds;
mod progress;
mod report;
mod table;

use std::sync::Arc;
use std::time::Instant;

use masque_engine::exec::{Plain, Plan, run_checked};
use masque_engine::gpu::Gpu;
use masque_engine::graph::WeightStore;
use masque_engine::net::Link;
use masque_engine::protocol::Role;
use masque_engine::trace::Event;
use masque_models::{Forward, Info};

use super::Result;
use super::head::Head;
use super::modules::{Dealing, Evaluation, Session};
use super::published;
use crate::engine;

pub use progress::{Look, memory_limit};
pub use report::{Estimate, LARGEST_ERROR, Paper, Report, RoleFigures, Row, SCHEMA};
pub use table::{csv, text};

/// What is measured, and how.
pub struct Wanted<'a> {
    /// What the module is called in reports.
    pub module: &'a str,
    /// The evaluation.
    pub forward: Forward,
    /// Its plan.
    pub plan: Plan,
    /// Weights.
    pub weights: Arc<dyn WeightStore>,
    /// Link between client and server.
    pub link: Link,
    /// Samples evaluated together.
    pub batch: usize,
    /// Tiles of a step in flight at each party.
    pub lanes: usize,
    /// Whether an evaluation that is not measured comes first.
    pub warm: bool,
    /// Whether the roles record what they do.
    pub trace: bool,
}

/// What the roles recorded.
pub type Trace = Vec<(Role, Vec<Event>)>;

/// Evaluates a network in plaintext, then on shares.
pub fn measure(gpus: [Arc<Gpu>; 3], wanted: Wanted<'_>, look: &Look) -> Result<(Report, Trace)> {
    let Wanted { module, forward, plan, weights, link, batch, lanes, warm, trace } = wanted;
    let (forward, adapter) = (Arc::new(forward), engine::adapter_report(&gpus[0].describe()));
    let (graph, config) = (forward.graph.clone(), &plan.config);
    look.phase("the plaintext network");
    let should = {
        let mut plain = Plain::new(gpus[0].clone(), graph.clone(), weights.clone(), config.approx);
        run_checked(&mut plain, &plan, &forward.borrowed())?
    };
    look.networks(&graph, config.tile);
    let mut session = Session::open(gpus, forward.clone(), &plan, &weights, &|role| look.watch(role))?;
    session.shape(link);
    session.set_lanes(lanes);
    let before = if warm { session.evaluate(Dealing::Meanwhile)?.parts } else { vec![] };
    match trace {
        true => session.start_trace(Instant::now()),
        false => session.start_meters(),
    }
    let one = session.evaluate(Dealing::Meanwhile)?;
    look.finish();
    let (setup_s, setup_bytes) = (session.setup().as_secs_f64(), session.setup_bytes());
    let events = if trace { session.take_trace()? } else { vec![] };
    drop(session);

    let (max_error, relative_error, destroyed) = compared(&one.output, &should);
    let kinds = kinds::rows(&graph, &one.parts, &before);
    let mut total = Row { kind: "all".into(), ..Row::default() };
    kinds.iter().for_each(|k| total.add(k));
    let counted = (one.cost.to_server, one.cost.to_client, one.cost.offline);
    let summed = (total.to_server_bytes, total.to_client_bytes, total.offline_bytes);
    if counted != summed {
        return Err(format!("the layers' bytes are {summed:?}, the channels' {counted:?}; this is a bug").into());
    }
    let approx = config.approx.to_string();
    let report = Report {
        head: Head::new(SCHEMA, adapter),
        model: String::new(),
        module: module.into(),
        shape: graph.node(graph.output).shape.clone(),
        batch,
        maximum: match config.maximum.leaks() {
            None => "secure".into(),
            Some(_) => "revealed".into(),
        },
        leaks: config.maximum.leaks().map(Into::into).into_iter().collect(),
        link: link.to_string(),
        parameters: Info::of(&graph).parameters,
        setup_s,
        setup_bytes,
        wall_s: one.total.as_secs_f64(),
        estimates: [Link::LAN, Link::WAN].map(|link| estimate(link, &one)).into(),
        roles: roles(&one),
        kinds,
        total,
        peak_rss_bytes: engine::peak_rss(),
        max_error,
        relative_error,
        destroyed,
        paper: published::module(module, &approx).map(|p| Paper {
            approx: p.approx.into(),
            seconds: p.seconds,
            gigabytes: p.gigabytes,
        }),
        approx,
    };
    Ok((report, events))
}

/// Largest difference, that over the scale, and how many values are further off than they may be.
fn compared(got: &[f32], should: &[f32]) -> (f64, f64, usize) {
    let scale = should.iter().fold(0.0, |m: f64, x| m.max(f64::from(x.abs()))).max(f64::MIN_POSITIVE);
    let apart = got.iter().zip(should).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // What is no number is infinitely far off.
    let apart = apart.map(|d| if d.is_nan() { f64::INFINITY } else { d });
    let (largest, destroyed) =
        apart.fold((0.0, 0), |(m, n): (f64, usize), d| (m.max(d), n + usize::from(d > LARGEST_ERROR * scale)));
    (largest, largest / scale, destroyed)
}

fn roles(one: &Evaluation) -> Vec<RoleFigures> {
    let all = [Role::Client, Role::Server, Role::Dealer].into_iter().zip(&one.parts);
    all.map(|(role, part)| {
        let device: f64 = part.device.values().map(|d| d.as_secs_f64()).sum();
        RoleFigures {
            role: role.to_string(),
            total_s: part.took.as_secs_f64(),
            waited_s: part.waited.as_secs_f64(),
            device_s: device,
            device_busy: device / one.total.as_secs_f64(),
            peak_device_bytes: part.peak_bytes,
        }
    })
    .collect()
}

/// The time over a link, from measured work, bytes and rounds.
fn estimate(link: Link, one: &Evaluation) -> Estimate {
    let working = |i: usize| one.parts.get(i).map_or(0.0, |p| (p.took.saturating_sub(p.waited)).as_secs_f64());
    let seconds = |bytes: u64| bytes as f64 * 8.0 / link.bits_per_second as f64;
    let (compute_s, dealer_s) = (working(0).max(working(1)), working(2));
    let transfer_s = seconds(one.cost.to_server.max(one.cost.to_client));
    let corrections_s = seconds(one.cost.offline);
    let latency_s = one.cost.half_rounds as f64 / 2.0 * link.round_trip.as_secs_f64();
    Estimate {
        link: link.to_string(),
        compute_s,
        transfer_s,
        latency_s,
        dealer_s,
        corrections_s,
        apart_s: compute_s + transfer_s + latency_s,
        overlapped_s: compute_s.max(transfer_s).max(dealer_s).max(corrections_s) + latency_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_off_are_counted() {
        let should = [1.0, -4.0, 0.5, 0.0];
        assert_eq!(compared(&should, &should), (0.0, 0.0, 0));
        let (largest, relative, destroyed) = compared(&[1.1, -4.0, 0.0, 0.3], &should);
        assert!((largest - 0.5).abs() < 1e-7 && (relative - 0.125).abs() < 1e-7);
        assert_eq!(destroyed, 2);
        let (largest, _, destroyed) = compared(&[1.0, f32::NAN, 0.5, f32::INFINITY], &should);
        assert!(largest.is_infinite());
        assert_eq!(destroyed, 2);
    }
}
