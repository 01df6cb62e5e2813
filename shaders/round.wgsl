// x[i] = x[i] to the nearest multiple of 1 / unit, ties to even. One thread per element.
struct Params { n: u32, unit: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>; // [n]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    x[t] = round(x[t] * p.unit) / p.unit;
}
