// out = round(x * scale) as a ring word, for values the server knows. |x * scale| < 2^31. One thread per element.
struct Params { n: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = r_of_i32(i32(round(x[t] * p.scale)));
}
