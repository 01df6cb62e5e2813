// Share of the signed value behind an opened wire, in a larger ring (protocol "lift"):
//   h = 2^(k-2), d = delta + h mod 2^k, out = d - h - lam + 2^k (wrap + (1 - msb d) t)
// The first party adds the public part. One thread per element.
struct Params { n: u32, k: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<R>; // [n]
@group(0) @binding(2) var<storage, read> lam: array<R>; // [n] own share of the mask
@group(0) @binding(3) var<storage, read> wrap: array<R>; // [n] share of the carry of lam0 + lam1
@group(0) @binding(4) var<storage, read> top: array<R>; // [n] share of t, the mask's top bit
@group(0) @binding(5) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let h = r_shl(r_of(1u), p.k - 2u);
    let d = r_low(r_add(delta[t], h), p.k);
    var high = wrap[t];
    if (r_bit(d, p.k - 1u) == 0u) { high = r_add(high, top[t]); }
    var v = r_sub(r_shl(high, p.k), lam[t]);
    if (p.first == 1u) { v = r_add(v, r_sub(d, h)); }
    out[t] = v;
}
