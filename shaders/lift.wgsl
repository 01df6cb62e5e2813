// Share of the signed value behind an opened wire, in a larger ring (protocol "lift"):
//   h = 2^(k-2), d = delta + h mod 2^k, out = d - h - lam + 2^k (wrap + (1 - msb d) t)
// The first party adds the public part. One thread handles 8 elements.
struct Params { n: u32, k: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n] own share of the mask
@group(0) @binding(3) var<storage, read> wrap: array<V>; // [n] share of the carry of lam0 + lam1
@group(0) @binding(4) var<storage, read> top: array<V>; // [n] share of t, the mask's top bit
@group(0) @binding(5) var<storage, read_write> out: array<V>; // [n]
#import thread
#import load8(delta)
#import load8(lam)
#import load8(wrap)
#import load8(top)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let h = r_shl(r_of(1u), p.k - 2u);
    let public_part = r_neg(r_of(p.first));
    var v = load8_delta(t);
    var l = load8_lam(t);
    var w = load8_wrap(t);
    var s = load8_top(t);
    for (var i = 0u; i < 8u; i++) {
        let d = r_low(r_add(v[i], h), p.k);
        let keep = r_neg(r_of(1u - r_bit(d, p.k - 1u)));
        let high = r_shl(r_add(w[i], r_and(s[i], keep)), p.k);
        v[i] = r_add(r_sub(high, l[i]), r_and(r_sub(d, h), public_part));
    }
    store8_out(t, v);
}
