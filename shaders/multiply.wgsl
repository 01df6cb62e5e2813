// Product of two masked wires, y broadcast by a map:
//   out = dx dy - dx [ly] - dy [lx] + [lx ly]; the first party adds dx dy.
// With DEALER: out = lx ly. One thread per element.
struct Params { n: u32, first: u32, od: u32, om: u32, id: u32, im: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lx: array<R>; // [n]
@group(0) @binding(2) var<storage, read> ly: array<R>; // [as the map says]
#ifdef DEALER
#else
@group(0) @binding(3) var<storage, read> dx: array<R>; // [n]
@group(0) @binding(4) var<storage, read> dy: array<R>; // [as the map says]
@group(0) @binding(5) var<storage, read> c: array<R>; // [n] share of lx ly
#endif
@group(0) @binding(6) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
#import map
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let j = mapped(Map(p.od, p.om, p.id, p.im), t);
#ifdef DEALER
    out[t] = r_mul(lx[t], ly[j]);
#else
    var f = r_neg(ly[j]);
    if (p.first == 1u) { f = r_add(f, dy[j]); }
    out[t] = r_sub(r_mac(c[t], dx[t], f), r_mul(dy[j], lx[t]));
#endif
}
