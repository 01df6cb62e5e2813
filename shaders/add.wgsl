// out[i] = a[i] + b[i]; with VECTOR b has one vector per image, added at every position, and a
// begins with element `block` of all. One thread per element.
#ifdef VECTOR
struct Params { n: u32, block: u32, image: u32, channels: u32 }
#else
struct Params { n: u32 }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<S>; // [n]
@group(0) @binding(2) var<storage, read> b: array<S>; // [n], or [n / image][channels]
@group(0) @binding(3) var<storage, read_write> out: array<S>; // [n]
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
#ifdef VECTOR
    let i = p.block + t;
    out[t] = e_store(e_load(a[t]) + e_load(b[(i / p.image) * p.channels + i % p.channels]));
#else
    out[t] = e_store(e_load(a[t]) + e_load(b[t]));
#endif
}
