// out[i] = element i of a packed message. With SUM the sum of two messages mod 2^k (an opened wire); with PLUS
// x[i] + element i, not reduced. One thread per element.
struct Params { n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>; // packed [n]
#ifdef SUM
@group(0) @binding(2) var<storage, read> b: array<u32>; // packed [n]
#endif
#ifdef PLUS
@group(0) @binding(2) var<storage, read> x: array<R>; // [n]
#endif
@group(0) @binding(3) var<storage, read_write> out: array<R>; // [n]
#import thread
#import unpack

fn from_a(g: u32, e: u32) -> R {
    let w = unpack_at(p.k, g, e);
    let lo = funnel(a[w.x], a[w.x + 1u], w.y);
    var hi = 0u;
    if (p.k > 32u) { hi = funnel(a[w.x + 1u], a[w.x + 2u], w.y); }
    return r_low(r_make(lo, hi), p.k);
}
#ifdef SUM
fn from_b(g: u32, e: u32) -> R {
    let w = unpack_at(p.k, g, e);
    let lo = funnel(b[w.x], b[w.x + 1u], w.y);
    var hi = 0u;
    if (p.k > 32u) { hi = funnel(b[w.x + 1u], b[w.x + 2u], w.y); }
    return r_low(r_make(lo, hi), p.k);
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let v = from_a(t >> 3u, t & 7u);
#ifdef SUM
    out[t] = r_low(r_add(v, from_b(t >> 3u, t & 7u)), p.k);
#else
#ifdef PLUS
    out[t] = r_add(x[t], v);
#else
    out[t] = v;
#endif
#endif
}
