//! Roles in processes of their own.

use std::net::SocketAddr;
use std::time::Instant;

use masque_engine::gpu::Gpu;
use masque_engine::net::{self, Listener};
use masque_models::Module;

use super::chains::Chains;
use super::role::{self, Done};
use super::{Audience, EngineError, OpenModel, Opened, Outcome, adapter_choice};
use crate::config::{DealerConfig, RunConfig, ServeConfig};
use crate::session;

/// Be the client of a server and a dealer elsewhere.
pub(super) fn client(
    config: &RunConfig,
    opened: &Opened,
    server: &str,
    dealer: &str,
    audience: &mut dyn Audience,
) -> Result<Outcome, EngineError> {
    let gpu = &opened.gpus[0];
    let start = Instant::now();
    let done = role::client_job(gpu.clone(), config, &opened.model, server, dealer, audience)?;
    role::outcome(gpu, start.elapsed().as_secs_f64(), done, vec![])
}

/// Serves a model's weights until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn serve(config: &ServeConfig, listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    let model = OpenModel::open(&config.model, &Module::ALL)?;
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let listener = Listener::bind(&config.listen)?;
    listening(listener.local_addr());
    let (opts, chains) = (session::options(net::Role::Server, config.stall), Chains::new(config.cache.clone()));
    sessions(config.sessions, || {
        let client = listener.accept("client", &opts)?;
        role::serve_one(gpu.clone(), client, &config.dealer, (&model, config.maximum), &chains, &opts)
    })
}

/// Deals correlated randomness until the agreed number of sessions is over; `listening` hears the bound address once.
pub fn deal(config: &DealerConfig, listening: &mut dyn FnMut(SocketAddr)) -> Result<(), EngineError> {
    let gpu = Gpu::open(&adapter_choice(&config.gpu))?;
    let listener = Listener::bind(&config.listen)?;
    listening(listener.local_addr());
    let keys = config.test_keys.map(|k| k.0);
    sessions(config.sessions, || role::deal_one(gpu.clone(), &listener, keys, config.maximum, config.stall))
}

/// Runs sessions one after another. Where their number is agreed a failed one ends the process; a role that serves for
/// ever says what failed and goes on.
fn sessions(count: Option<u32>, mut one: impl FnMut() -> Result<Done, EngineError>) -> Result<(), EngineError> {
    let mut left = count;
    while left != Some(0) {
        match one() {
            Ok(_) => tracing::info!("session done"),
            Err(e) if left.is_none() => tracing::error!("session failed: {e}"),
            Err(e) => return Err(e),
        }
        left = left.map(|n| n - 1);
    }
    Ok(())
}
