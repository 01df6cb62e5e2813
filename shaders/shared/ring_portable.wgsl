// Z_2^64 as vec2<u32>(low, high), for adapters without 64-bit integers. Same functions as ring_native.wgsl.
alias R = vec2<u32>;
fn r_make(lo: u32, hi: u32) -> R { return vec2<u32>(lo, hi); }
fn r_of(v: u32) -> R { return vec2<u32>(v, 0u); }
fn r_of_i32(v: i32) -> R { return vec2<u32>(bitcast<u32>(v), bitcast<u32>(v >> 31u)); }
fn r_param(v: vec2<u32>) -> R { return v; }
fn r_zero() -> R { return vec2<u32>(0u, 0u); }
fn r_lo(a: R) -> u32 { return a.x; }
fn r_hi(a: R) -> u32 { return a.y; }
fn r_add(a: R, b: R) -> R {
    let lo = a.x + b.x;
    return vec2<u32>(lo, a.y + b.y + select(0u, 1u, lo < a.x));
}
fn r_sub(a: R, b: R) -> R {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}
fn r_neg(a: R) -> R { return r_sub(vec2<u32>(0u, 0u), a); }
// WGSL has no high product, so 32 x 32 -> 64 goes through 16-bit halves.
fn r_mul(a: R, b: R) -> R {
    let al = a.x & 0xffffu;
    let ah = a.x >> 16u;
    let bl = b.x & 0xffffu;
    let bh = b.x >> 16u;
    let ll = al * bl;
    let m1 = ah * bl + (ll >> 16u);
    let m2 = al * bh + (m1 & 0xffffu);
    let hi = ah * bh + (m1 >> 16u) + (m2 >> 16u);
    return vec2<u32>(a.x * b.x, hi + a.x * b.y + a.y * b.x);
}
fn r_mac(c: R, a: R, b: R) -> R { return r_add(c, r_mul(a, b)); }
fn r_and(a: R, b: R) -> R { return a & b; }
fn r_xor(a: R, b: R) -> R { return a ^ b; }
// Shifts take 0 to 63.
fn r_shl(a: R, s: u32) -> R {
    if (s == 0u) { return a; }
    if (s >= 32u) { return vec2<u32>(0u, a.x << (s - 32u)); }
    return vec2<u32>(a.x << s, (a.y << s) | (a.x >> (32u - s)));
}
fn r_shr(a: R, s: u32) -> R {
    if (s == 0u) { return a; }
    if (s >= 32u) { return vec2<u32>(a.y >> (s - 32u), 0u); }
    return vec2<u32>((a.x >> s) | (a.y << (32u - s)), a.y >> s);
}
// The low k bits, 1 to 64.
fn r_low(a: R, k: u32) -> R {
    if (k >= 32u) { return vec2<u32>(a.x, select(a.y & (0xffffffffu >> (64u - k)), 0u, k == 32u)); }
    return vec2<u32>(a.x & (0xffffffffu >> (32u - k)), 0u);
}
// 1 if bit i is set.
fn r_bit(a: R, i: u32) -> u32 {
    if (i >= 32u) { return (a.y >> (i - 32u)) & 1u; }
    return (a.x >> i) & 1u;
}
// Without || and &&, which branch.
fn r_less(a: R, b: R) -> bool { return (a.y < b.y) | ((a.y == b.y) & (a.x < b.x)); }
