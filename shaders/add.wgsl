// out[i] = a[i] + b[i]; with VECTOR b has one vector per image, added at every position, and a
// begins with element `block` of all. One thread per element.
#ifdef VECTOR
struct Params { n: u32, block: u32, image: u32, channels: u32 }
#else
struct Params { n: u32 }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<F>; // [n]
@group(0) @binding(2) var<storage, read> b: array<F>; // [n], or [n / image][channels]
@group(0) @binding(3) var<storage, read_write> out: array<F>; // [n]
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
#ifdef VECTOR
    let i = p.block + t;
    out[t] = a[t] + b[(i / p.image) * p.channels + i % p.channels];
#else
    out[t] = a[t] + b[t];
#endif
}
