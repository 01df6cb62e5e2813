// out[i] = ca * a[i] + cc; with SAME + cb * b[i]; with TWO + cb * b[map(i)]. One thread handles 8 elements;
// the map counts them from 8 `block` on.
#ifdef TWO
struct Params { n: u32, block: u32, od: u32, om: u32, id: u32, im: u32, ca: vec2<u32>, cb: vec2<u32>, cc: vec2<u32> }
@group(0) @binding(2) var<storage, read> b: array<R>; // [as the map says]
#import map
#else
#ifdef SAME
struct Params { n: u32, ca: vec2<u32>, cb: vec2<u32>, cc: vec2<u32> }
@group(0) @binding(2) var<storage, read> b: array<V>; // [n]
#import load8(b)
#else
struct Params { n: u32, ca: vec2<u32>, cc: vec2<u32> }
#endif
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> out: array<V>; // [n]
#import thread
#import load8(a)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    var v = load8_a(t);
    for (var i = 0u; i < 8u; i++) { v[i] = r_mac(r_param(p.cc), r_param(p.ca), v[i]); }
#ifdef SAME
    var w = load8_b(t);
    for (var i = 0u; i < 8u; i++) { v[i] = r_mac(v[i], r_param(p.cb), w[i]); }
#endif
#ifdef TWO
    let m = Map(p.od, p.om, p.id, p.im);
    var at = walk_from(m, 8u * (p.block + t));
    for (var i = 0u; i < 8u; i++) {
        v[i] = r_mac(v[i], r_param(p.cb), b[walk_at(at)]);
        at = walk_on(m, at);
    }
#endif
    store8_out(t, v);
}
