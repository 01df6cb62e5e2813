//! The two ring functions that `u64` has no method for.

/// The low `k` bits, 1 to 64.
pub fn r_low(a: u64, k: u32) -> u64 {
    a & (u64::MAX >> (64 - k))
}

/// 1 if bit `i` is set.
pub fn r_bit(a: u64, i: u32) -> u32 {
    (a >> i) as u32 & 1
}
