// out[i] = factor * x[i]. One thread per element.
struct Params { n: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<S>; // [n]
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = e_store(p.factor * e_load(x[t]));
}
