//! Protocols between two parties and a dealer: values, error distribution, and the declared cost against counted bytes.

mod activation;
mod attention;
mod basics;
mod conv;
mod faults;
mod forms;
mod lanes;
mod linear;
mod norm;
mod programs;
mod row_softmax;
mod softmax;
mod trace;
mod transcripts;
mod truncation;
mod windows;

use masque_engine::protocol::*;
use masque_engine::testing::{World, reconstruct, words};
use rand_chacha::rand_core::Rng;

/// Integers in `-bound..=bound`.
pub fn uniform(world: &World, label: &str, n: usize, bound: i64) -> Vec<i64> {
    let mut rng = world.rng(label);
    (0..n).map(|_| (rng.next_u64() % (2 * bound as u64 + 1)) as i64 - bound).collect()
}

/// Runs a protocol from one shared input to one share; checks the cost; returns the values as reals.
pub fn unary(
    world: &World,
    x: &[i64],
    k: u32,
    f: u32,
    cost: Cost,
    program: impl Fn(&mut Ctx, &Share) -> Result<Share, Error> + Sync,
) -> Vec<f64> {
    let out = world.run(|w, ctx| {
        let x = w.share(ctx, "x", x, k, f)?;
        let y = program(ctx, &x)?;
        Ok((words(ctx, &y)?, y.k, y.f))
    });
    assert_eq!(out.cost, cost, "declared cost");
    let (_, k, f) = out.client;
    reconstruct(&out.client.0, &out.server.0, k).iter().map(|v| *v as f64 / f64::from(f).exp2()).collect()
}

/// Fixed point to reals.
pub fn real(x: &[i64], f: u32) -> Vec<f64> {
    x.iter().map(|v| *v as f64 / f64::from(f).exp2()).collect()
}

/// Largest difference.
pub fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
