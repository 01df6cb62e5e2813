// Z_2^64 on adapters with 64-bit integers. Same functions as ring_portable.wgsl.
alias R = u64;
fn r_make(lo: u32, hi: u32) -> R { return u64(lo) | (u64(hi) << 32u); }
fn r_of(v: u32) -> R { return u64(v); }
fn r_of_i32(v: i32) -> R { return u64(i64(v)); }
fn r_param(v: vec2<u32>) -> R { return u64(v.x) | (u64(v.y) << 32u); }
fn r_zero() -> R { return 0lu; }
fn r_lo(a: R) -> u32 { return u32(a & 0xfffffffflu); }
fn r_hi(a: R) -> u32 { return u32(a >> 32u); }
fn r_add(a: R, b: R) -> R { return a + b; }
fn r_sub(a: R, b: R) -> R { return a - b; }
fn r_neg(a: R) -> R { return 0lu - a; }
fn r_mul(a: R, b: R) -> R { return a * b; }
fn r_mac(c: R, a: R, b: R) -> R { return c + a * b; }
fn r_and(a: R, b: R) -> R { return a & b; }
fn r_xor(a: R, b: R) -> R { return a ^ b; }
// Shifts take 0 to 63.
fn r_shl(a: R, s: u32) -> R { return a << s; }
fn r_shr(a: R, s: u32) -> R { return a >> s; }
// The low k bits, 1 to 64.
fn r_low(a: R, k: u32) -> R { return a & (0xfffffffffffffffflu >> (64u - k)); }
// 1 if bit i is set.
fn r_bit(a: R, i: u32) -> u32 { return u32(a >> i) & 1u; }
fn r_less(a: R, b: R) -> bool { return a < b; }
