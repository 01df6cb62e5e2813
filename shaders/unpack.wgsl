// out[i] = element i of a packed message. With SUM the sum of two messages mod 2^k (an opened wire); with PLUS
// x[i] + element i, not reduced. One thread handles 8 elements.
struct Params { n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Packed_a>; // packed [n]
#ifdef SUM
@group(0) @binding(2) var<storage, read> b: array<Packed_b>; // packed [n]
#import unpack(b)
#endif
#ifdef PLUS
@group(0) @binding(2) var<storage, read> x: array<V>; // [n]
#import load8(x)
#endif
@group(0) @binding(3) var<storage, read_write> out: array<V>; // [n]
#import thread
#import unpack(a)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    var v = unpack8_a(t);
#ifdef SUM
    var u = unpack8_b(t);
    for (var i = 0u; i < 8u; i++) { v[i] = r_low(r_add(v[i], u[i]), K); }
#endif
#ifdef PLUS
    var w = load8_x(t);
    for (var i = 0u; i < 8u; i++) { v[i] = r_add(w[i], v[i]); }
#endif
    store8_out(t, v);
}
