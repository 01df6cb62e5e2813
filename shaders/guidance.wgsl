// Guidance and sampler update fused, on shares: out = cz z + ca e_cond + cb e_uncond + cc u. With `guided` the
// predictions are two halves, conditional first; without it e_uncond is absent. KNOWN adds the server's own u.
// One thread per element.
#ifdef KNOWN
struct Params { n: u32, guided: u32, cz: vec2<u32>, ca: vec2<u32>, cb: vec2<u32>, cc: vec2<u32> }
#else
struct Params { n: u32, guided: u32, cz: vec2<u32>, ca: vec2<u32>, cb: vec2<u32> }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<R>; // [n]
@group(0) @binding(2) var<storage, read> e: array<R>; // [n] or [2 n]
#ifdef KNOWN
@group(0) @binding(3) var<storage, read> u: array<R>; // [n]
#endif
@group(0) @binding(4) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    var v = r_mac(r_mul(r_param(p.cz), z[t]), r_param(p.ca), e[t]);
    if (p.guided == 1u) { v = r_mac(v, r_param(p.cb), e[t + p.n]); }
#ifdef KNOWN
    v = r_mac(v, r_param(p.cc), u[t]);
#endif
    out[t] = v;
}
