// Product of two masked wires, y broadcast by a map:
//   out = dx dy - dx [ly] - dy [lx] + [lx ly]; the first party adds dx dy.
// With DEALER: out = lx ly. With SAME there is no map, y is as large as x. One thread handles 8 elements; the map counts
// them from 8 `block` on.
#ifdef SAME
struct Params { n: u32, first: u32 }
alias Y = V;
#import load8(ly)
#else
struct Params { n: u32, block: u32, first: u32, od: u32, om: u32, id: u32, im: u32 }
alias Y = R;
#import map
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lx: array<V>; // [n]
@group(0) @binding(2) var<storage, read> ly: array<Y>; // [as the map says]
#ifdef DEALER
#else
@group(0) @binding(3) var<storage, read> dx: array<V>; // [n]
@group(0) @binding(4) var<storage, read> dy: array<Y>; // [as the map says]
@group(0) @binding(5) var<storage, read> c: array<V>; // [n] share of lx ly
#import load8(dx)
#import load8(c)
#ifdef SAME
#import load8(dy)
#endif
#endif
@group(0) @binding(6) var<storage, read_write> out: array<V>; // [n]
#import thread
#import load8(lx)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
#ifdef SAME
    var l_y = load8_ly(t);
#else
    let m = Map(p.od, p.om, p.id, p.im);
    var at = walk_from(m, 8u * (p.block + t));
#endif
    var l = load8_lx(t);
#ifdef DEALER
    for (var i = 0u; i < 8u; i++) {
#ifdef SAME
        l[i] = r_mul(l[i], l_y[i]);
#else
        l[i] = r_mul(l[i], ly[walk_at(at)]);
        at = walk_on(m, at);
#endif
    }
    store8_out(t, l);
#else
#ifdef SAME
    var d_y = load8_dy(t);
#endif
    var d = load8_dx(t);
    var v = load8_c(t);
    for (var i = 0u; i < 8u; i++) {
#ifdef SAME
        let y = d_y[i];
        let mask = l_y[i];
#else
        let j = walk_at(at);
        let y = dy[j];
        let mask = ly[j];
        at = walk_on(m, at);
#endif
        let f = r_sub(r_and(y, r_neg(r_of(p.first))), mask);
        v[i] = r_sub(r_mac(v[i], d[i], f), r_mul(y, l[i]));
    }
    store8_out(t, v);
#endif
}
