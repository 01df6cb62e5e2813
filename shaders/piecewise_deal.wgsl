// Dealer's words for piecewise.wgsl, in its order, from the wire's mask and the comparison masks (bit 8 is beta).
// One thread handles 8 elements; n is a multiple of 8.
struct Params { n: u32, k: u32, segments: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(2) var<storage, read> masks: array<V>; // [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + DEGREE]
@group(0) @binding(4) var<storage, read_write> out: array<V>; // [words][n]
#ifdef WIDE
@group(0) @binding(5) var<storage, read_write> change: array<V>; // [words][n]
#import store8(change)
#endif
#import thread
#import degree
#import load8(lam)
#import load8(masks)
#import store8(out)
alias R8 = array<R, 8>;
const NONE: u32 = 0xffffffffu;

fn beta(b: u32, t: u32, so_far: R8) -> R8 {
    var v = so_far;
    if (b != NONE) {
        var m = load8_masks(b * (p.n >> 3u) + t);
        for (var i = 0u; i < 8u; i++) { v[i] = r_xor(v[i], r_of(r_bit(m[i], 8u))); }
    }
    return v;
}

fn masked(v: R8, on: R8) -> R8 {
    var a = v;
    var b = on;
    for (var i = 0u; i < 8u; i++) { a[i] = r_and(a[i], r_neg(b[i])); }
    return a;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let groups = p.n >> 3u;
    var m: array<R8, DEGREE>;
    m[0] = load8_lam(t);
    for (var i = 0u; i < 8u; i++) { m[0][i] = r_low(m[0][i], p.k); }
    for (var j = 1u; j < DEGREE; j++) {
        for (var i = 0u; i < 8u; i++) { m[j][i] = r_mul(m[j - 1u][i], m[0][i]); }
    }
    var at = t;
#ifdef WIDE
    // With a = M, b = M - 2^k t: (b^j - a^j) / 2^k = b (b^(j-1) - a^(j-1)) / 2^k - t a^(j-1).
    var w: array<R8, DEGREE>;
    for (var i = 0u; i < 8u; i++) {
        let top = r_neg(r_of(r_bit(m[0][i], p.k - 1u)));
        let b = r_sub(m[0][i], r_and(r_shl(r_of(1u), p.k), top));
        w[0][i] = top;
        for (var j = 1u; j < DEGREE; j++) { w[j][i] = r_sub(r_mul(b, w[j - 1u][i]), r_and(m[j - 1u][i], top)); }
    }
    store8_out(at, m[0]);
    at += groups;
    var changed = t;
    for (var j = 0u; j < DEGREE; j++) {
        store8_change(changed, w[j]);
        changed += groups;
    }
#endif
    for (var j = 1u; j < DEGREE; j++) {
        store8_out(at, m[j]);
        at += groups;
    }
    for (var s = 0u; s < p.segments; s++) {
        let b0 = r_lo(table[s * (3u + DEGREE)]);
        let b1 = r_lo(table[s * (3u + DEGREE) + 1u]);
        if (b0 == NONE && b1 == NONE) { continue; }
        var none: R8;
        for (var i = 0u; i < 8u; i++) { none[i] = r_zero(); }
        let v = beta(b1, t, beta(b0, t, none));
        for (var j = 0u; j < DEGREE; j++) {
            store8_out(at, masked(m[j], v));
            at += groups;
#ifdef WIDE
            store8_change(changed, masked(w[j], v));
            changed += groups;
#endif
        }
        store8_out(at, v);
        at += groups;
    }
}
