//! Indicators of segments between nested thresholds.

/// Stands for "no such threshold".
pub const NONE: u32 = u32::MAX;

/// Public part of `[x < T_b0] ^ [x < T_b1]`, from bits `[n / 32 rounded up][levels]`.
pub fn indicator(levels: usize, bits: &[u32], b0: u32, b1: u32, t: usize) -> u32 {
    let opened = |j: u32| bits[t / 32 * levels + j as usize] >> (t % 32) & 1;
    let upper = if b0 == NONE { 1 } else { opened(b0) };
    let lower = if b1 == NONE { 0 } else { opened(b1) };
    upper ^ lower
}
