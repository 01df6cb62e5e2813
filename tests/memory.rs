//! What a process keeps from computations that are done. A test of its own process: others would disturb the figure.

#![cfg(target_os = "linux")]

#[path = "protocols/programs.rs"]
mod programs;

use masque_engine::testing::World;

/// Bytes that one round of programs may add to the process once everything is compiled and every pool is filled. What
/// the allocator holds back moves by some 100 kB; kernels that the driver compiled again cost 24 MB.
const PER_ROUND: i64 = 1_000_000;

fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: i64 = status.split_whitespace().nth(1).and_then(|p| p.parse().ok()).expect("resident pages");
    pages * 4096
}

#[test]
fn evaluations_leave_nothing_behind() {
    let world = World::new(11);
    let rounds = |n: i64| {
        for secret in 0..n {
            for (_, program) in programs::PROGRAMS {
                world.run(|w, ctx| program(w, ctx, secret));
            }
        }
        resident()
    };
    let (warm, later) = (rounds(4), rounds(12));
    let per_round = (later - warm) / 12;
    println!("resident {} MB, then {} MB: {per_round} bytes a round", warm / 1_000_000, later / 1_000_000);
    assert!(per_round < PER_ROUND, "{per_round} bytes stay behind after every round");
}
