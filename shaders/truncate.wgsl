// out = ((x + add) mod 2^k) >> shift: local truncation, the result lives in Z_2^(k - shift). One thread handles 8 elements.
struct Params { n: u32, k: u32, shift: u32, add: vec2<u32> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<V>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<V>; // [n]
#import thread
#import load8(x)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    var v = load8_x(t);
    let whole = r_low(r_neg(r_of(1u)), p.k);
    let add = r_param(p.add);
    for (var i = 0u; i < 8u; i++) { v[i] = r_shr(r_and(r_add(v[i], add), whole), p.shift); }
    store8_out(t, v);
}
