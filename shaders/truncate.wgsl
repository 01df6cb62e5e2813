// out = ((x + add) mod 2^k) >> shift: local truncation, the result lives in Z_2^(k - shift). One thread per element.
struct Params { n: u32, k: u32, shift: u32, add: vec2<u32> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<R>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = r_shr(r_low(r_add(x[t], r_param(p.add)), p.k), p.shift);
}
