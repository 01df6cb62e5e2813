// out = a ^ b on 32-bit words: opens packed bits. One thread per word.
struct Params { n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>; // [n]
@group(0) @binding(2) var<storage, read> b: array<u32>; // [n]
@group(0) @binding(3) var<storage, read_write> out: array<u32>; // [n]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = a[t] ^ b[t];
}
