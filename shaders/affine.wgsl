// out[i] = ca * a[i] + cc, and with TWO + cb * b[map(i)]. One thread per element.
#ifdef TWO
struct Params { n: u32, od: u32, om: u32, id: u32, im: u32, ca: vec2<u32>, cb: vec2<u32>, cc: vec2<u32> }
#else
struct Params { n: u32, ca: vec2<u32>, cc: vec2<u32> }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<R>; // [n]
#ifdef TWO
@group(0) @binding(2) var<storage, read> b: array<R>; // [as the map says]
#endif
@group(0) @binding(3) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
#import map
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    var v = r_mac(r_param(p.cc), r_param(p.ca), a[t]);
#ifdef TWO
    v = r_mac(v, r_param(p.cb), b[mapped(Map(p.od, p.om, p.id, p.im), t)]);
#endif
    out[t] = v;
}
