// Share of y = sum over segments s of ind_s P_s(x) for a masked wire x = u - M (protocol "piecewise"), degree DEGREE:
//   P_s(u - M) = sum over i of c_(s,i)(u) (-M)^i, c_(s,i) the Taylor coefficients at the public u,
//   ind_s = q ^ beta_s = q + (1 - 2 q) beta_s, q public; shares of M^i, beta_s and beta_s M^i are dealt.
// A segment whose two bits are NONE is always on. Dealt words, [word][n]: M^i for i from 2 (from 1 with WIDE), then for each
// selected segment beta_s M^i for i from 1 and beta_s. Without WIDE the own share of the mask is one of M.
// With WIDE the result's ring is larger than the wire's, and M is the mask or, where the top bit of d is clear, its signed
// reading M - 2^k t; `change`, [word][n], has ((M - 2^k t)^i - M^i) / 2^k, alone and then times each beta_s.
// One thread handles 8 elements; n is a multiple of 8.
struct Params { n: u32, k: u32, segments: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(2) var<storage, read> bits: array<u32>; // opened bits [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + DEGREE]: first bit, second bit, coefficients
@group(0) @binding(4) var<storage, read> dealt: array<V>; // [words][n]
#ifdef WIDE
@group(0) @binding(5) var<storage, read> change: array<V>; // [words][n]
#import load8(change)
#else
@group(0) @binding(5) var<storage, read> lam: array<V>; // [n] own share of the mask
#import load8(lam)
#endif
@group(0) @binding(6) var<storage, read_write> out: array<V>; // [n]
#import thread
#import degree
#import segment
#import load8(delta)
#import load8(dealt)
#import store8(out)
alias R8 = array<R, 8>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let groups = p.n >> 3u;
    let public_part = r_neg(r_of(p.first));
    var u = load8_delta(t);
    var m: array<R8, DEGREE>;
#ifdef WIDE
    let h = r_shl(r_of(1u), p.k - 2u);
    var low: R8;
    for (var i = 0u; i < 8u; i++) {
        let d = r_low(r_add(u[i], h), p.k);
        low[i] = r_neg(r_of(1u - r_bit(d, p.k - 1u)));
        u[i] = r_sub(d, h);
    }
    var at = t;
    var changed = t;
    for (var j = 0u; j < DEGREE; j++) {
        var a = load8_dealt(at);
        var b = load8_change(changed);
        for (var i = 0u; i < 8u; i++) { m[j][i] = r_add(a[i], r_and(r_shl(b[i], p.k), low[i])); }
        at += groups;
        changed += groups;
    }
#else
    m[0] = load8_lam(t);
    var at = t;
    for (var j = 1u; j < DEGREE; j++) {
        m[j] = load8_dealt(at);
        at += groups;
    }
#endif
    var y: R8;
    for (var i = 0u; i < 8u; i++) { y[i] = r_zero(); }
    for (var s = 0u; s < p.segments; s++) {
        let row = s * (3u + DEGREE);
        let b0 = r_lo(table[row]);
        let b1 = r_lo(table[row + 1u]);
        var a: Coefficients;
        for (var j = 0u; j <= DEGREE; j++) { a[j] = table[row + 2u + j]; }
        // c[j][i]: Taylor coefficients at u.
        var c: array<R8, DEGREE + 1u>;
        for (var i = 0u; i < 8u; i++) {
            var at_u = taylor(a, u[i]);
            for (var j = 0u; j <= DEGREE; j++) { c[j][i] = at_u[j]; }
        }
        var whole: R8;
        for (var i = 0u; i < 8u; i++) { whole[i] = r_and(c[0][i], public_part); }
        for (var j = 0u; j < DEGREE; j++) {
            for (var i = 0u; i < 8u; i++) {
                let term = r_mul(c[j + 1u][i], m[j][i]);
                if ((j & 1u) == 0u) { whole[i] = r_sub(whole[i], term); } else { whole[i] = r_add(whole[i], term); }
            }
        }
        if (b0 == NONE && b1 == NONE) {
            for (var i = 0u; i < 8u; i++) { y[i] = r_add(y[i], whole[i]); }
        } else {
            var part: R8;
            for (var i = 0u; i < 8u; i++) { part[i] = r_zero(); }
            for (var j = 0u; j < DEGREE; j++) {
                var b = load8_dealt(at);
                at += groups;
#ifdef WIDE
                var w = load8_change(changed);
                changed += groups;
                for (var i = 0u; i < 8u; i++) { b[i] = r_add(b[i], r_and(r_shl(w[i], p.k), low[i])); }
#endif
                for (var i = 0u; i < 8u; i++) {
                    let term = r_mul(c[j + 1u][i], b[i]);
                    if ((j & 1u) == 0u) { part[i] = r_sub(part[i], term); } else { part[i] = r_add(part[i], term); }
                }
            }
            var beta = load8_dealt(at);
            at += groups;
            let q = indicator(b0, b1, 8u * t);
            for (var i = 0u; i < 8u; i++) {
                let on = r_neg(r_of((q >> i) & 1u));
                let v = r_mac(part[i], c[0][i], beta[i]);
                // v, or where q is 1 whole - v.
                y[i] = r_add(y[i], r_add(r_sub(r_xor(v, on), on), r_and(whole[i], on)));
            }
        }
    }
    store8_out(t, y);
}
