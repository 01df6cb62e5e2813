// out[i] = bit `at` of x[i], as 0 or 1. One thread handles 8 elements.
struct Params { n: u32, at: u32 }
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
    for (var i = 0u; i < 8u; i++) { v[i] = r_of(r_bit(v[i], p.at)); }
    store8_out(t, v);
}
