// Product of two masked wires, y broadcast by a map:
//   out = dx dy - dx [ly] - dy [lx] + [lx ly]; the first party adds dx dy.
// With DEALER: out = lx ly. One thread handles 8 elements.
struct Params { n: u32, first: u32, od: u32, om: u32, id: u32, im: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lx: array<V>; // [n]
@group(0) @binding(2) var<storage, read> ly: array<R>; // [as the map says]
#ifdef DEALER
#else
@group(0) @binding(3) var<storage, read> dx: array<V>; // [n]
@group(0) @binding(4) var<storage, read> dy: array<R>; // [as the map says]
@group(0) @binding(5) var<storage, read> c: array<V>; // [n] share of lx ly
#import load8(dx)
#import load8(c)
#endif
@group(0) @binding(6) var<storage, read_write> out: array<V>; // [n]
#import thread
#import map
#import load8(lx)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let m = Map(p.od, p.om, p.id, p.im);
    var at = walk_from(m, 8u * t);
    var l = load8_lx(t);
#ifdef DEALER
    for (var i = 0u; i < 8u; i++) {
        l[i] = r_mul(l[i], ly[walk_at(at)]);
        at = walk_on(m, at);
    }
    store8_out(t, l);
#else
    var d = load8_dx(t);
    var v = load8_c(t);
    for (var i = 0u; i < 8u; i++) {
        let j = walk_at(at);
        let y = dy[j];
        let f = r_sub(r_and(y, r_neg(r_of(p.first))), ly[j]);
        v[i] = r_sub(r_mac(v[i], d[i], f), r_mul(y, l[i]));
        at = walk_on(m, at);
    }
    store8_out(t, v);
#endif
}
