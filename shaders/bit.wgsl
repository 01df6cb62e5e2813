// out[i] = bit `at` of x[i], as 0 or 1.
struct Params { n: u32, at: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<R>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = r_of(r_bit(x[t], p.at));
}
