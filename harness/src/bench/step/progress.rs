//! How far an evaluation is, layer by layer, and whether memory suffices.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use masque_engine::correlated::Scope;
use masque_engine::graph::{Graph, Node, elements};
use masque_engine::protocol::{Role, Watch};

use crate::{engine, units};

const SPINNER: &str = "{spinner} {msg}  {elapsed}";
const BAR: &str = "{bar:32.cyan/dim} {percent:>3} %  {elapsed} elapsed, {eta} left  {msg}";
/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(20);

/// Less than this left on the machine, and the system may soon end processes without a word.
const LEAST_FREE: u64 = 256 << 20;

/// Looks on.
pub struct Look {
    shown: Arc<Mutex<Shown>>,
    network: OnceLock<Arc<Vec<Layer>>>,
    limit: u64,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { since: Instant, last: Instant },
}

/// What is known of a layer before it runs.
struct Layer {
    name: String,
    /// Where it begins and ends: shares of the work of sharing weights, and of the evaluation.
    setup: (f64, f64),
    work: (f64, f64),
    tiles: f64,
}

/// Rough seconds of a multiply-accumulate, of a weight, of an element that a function is evaluated on, and of any other
/// element, with three roles on a machine. Only their ratios matter.
const MAC: f64 = 0.4e-9;
const WEIGHT: f64 = 20e-9;
const FUNCTION: f64 = 2e-6;
const ELEMENT: f64 = 0.2e-6;

impl Look {
    /// Stops the roles when the process holds more than `limit` bytes, or the machine has hardly any left. Shows nothing if `quiet`.
    pub fn new(quiet: bool, limit: u64) -> Self {
        let shown = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, false) => Shown::Lines { since: Instant::now(), last: Instant::now() },
            (false, true) => {
                let bar = ProgressBar::new_spinner();
                bar.enable_steady_tick(Duration::from_millis(200));
                Shown::Bar(bar)
            }
        };
        Self { shown: Arc::new(Mutex::new(shown)), network: OnceLock::new(), limit }
    }

    /// A part begins of which nobody knows how long it takes.
    pub fn phase(&self, name: &str) {
        match &mut *lock(&self.shown) {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_style(style(SPINNER));
                bar.set_message(name.to_owned());
            }
            Shown::Lines { .. } => eprintln!("{name}"),
        }
    }

    /// The network that comes next; attention goes in tiles of so many scores.
    pub fn networks(&self, graph: &Graph, tile: usize) {
        let weights = |n: &Node| n.op.weights().iter().map(|w| elements(&w.shape)).sum::<usize>() as f64;
        let setup = |n: &Node| weights(n) + 1000.0;
        let work = |n: &Node| {
            let (functions, all) = (graph.nonlinear(n) as f64, elements(&n.shape) as f64);
            graph.macs(n) as f64 * MAC + weights(n) * WEIGHT + functions * FUNCTION + all * ELEMENT
        };
        let totals = graph.nodes.iter().fold((0.0, 0.0), |(a, b), n| (a + setup(n), b + work(n)));
        let mut at = (0.0, 0.0);
        let layer = |n| {
            let begin = at;
            at = (at.0 + setup(n) / totals.0, at.1 + work(n) / totals.1);
            let tiles = (graph.nonlinear(n) as f64 / tile.max(1) as f64).max(1.0);
            Layer { name: n.name.clone(), setup: (begin.0, at.0), work: (begin.1, at.1), tiles }
        };
        let layers: Vec<Layer> = graph.nodes.iter().map(layer).collect();
        let _ = self.network.set(Arc::new(layers));
    }

    /// Looks on at a role: all for their memory, the client for how far it is.
    pub fn watch(&self, role: Role) -> Option<Watch> {
        let (shown, layers, limit) = (self.shown.clone(), self.network.get()?.clone(), self.limit);
        let mut now = None;
        Some(Box::new(move |at: Scope| {
            enough(limit)?;
            let Some(layer) = layers.get(at.node as usize).filter(|_| role == Role::Client) else { return Ok(()) };
            let begins = now.replace(at.eval) != Some(at.eval);
            let ((from, to), what) = match at.eval {
                0 => (layer.setup, "sharing weights"),
                _ => (layer.work, "evaluating"),
            };
            let done = from + (to - from) * (f64::from(at.tile) / layer.tiles).min(0.99);
            show(&mut lock(&shown), begins, what, &layer.name, done);
            Ok(())
        }))
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &*lock(&self.shown) {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock(shown: &Mutex<Shown>) -> std::sync::MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show(shown: &mut Shown, begins: bool, what: &str, layer: &str, done: f64) {
    const PARTS: f64 = 10_000.0;
    match shown {
        Shown::Nothing => {}
        Shown::Bar(bar) => {
            if begins {
                bar.set_length(PARTS as u64);
                bar.set_style(style(BAR));
                bar.reset();
            }
            bar.set_position((done * PARTS) as u64);
            bar.set_message(format!("{what}: {layer}"));
        }
        Shown::Lines { since, last } => {
            if begins {
                (*since, *last) = (Instant::now(), Instant::now());
                eprintln!("{what}");
            } else if last.elapsed() >= PAUSE {
                *last = Instant::now();
                let gone = since.elapsed().as_secs_f64();
                let left = gone * (1.0 - done) / done.max(1e-6);
                let (gone, left) = (units::seconds(gone), units::seconds(left));
                eprintln!("{:3.0} % ({layer}), {gone} gone, {left} left", 100.0 * done);
            }
        }
    }
}

/// Refuses to go on with more memory than allowed.
fn enough(limit: u64) -> Result<(), String> {
    let held = engine::rss().unwrap_or(0);
    let held_text = units::bytes(held);
    let what = match engine::free_memory() {
        _ if held > limit => format!("{} are allowed (--memory)", units::bytes(limit)),
        Some(free) if free < LEAST_FREE => format!("the machine has {} left", units::bytes(free)),
        _ => return Ok(()),
    };
    Err(format!(
        "stopped: the process holds {held_text} of memory, {what}; take a smaller --batch or --latent, or a machine with more"
    ))
}

/// Memory that the process may hold if nobody says otherwise: nine tenths of the machine's or of its container's.
pub fn memory_limit() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = groups.iter().filter_map(|path| read(path).trim().parse::<u64>().ok()).min();
    let least = [engine::machine_memory(), group].into_iter().flatten().min();
    least.map_or(u64::MAX, |bytes| bytes / 10 * 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_beyond_the_limit_is_refused() {
        assert!(enough(u64::MAX).is_ok());
        if engine::rss().is_some() {
            assert!(enough(1).is_err_and(|e| e.contains("--memory") && e.contains("--batch")));
        }
        assert!(memory_limit() > 1 << 20);
    }
}
