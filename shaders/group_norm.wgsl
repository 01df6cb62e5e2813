// out = (x - mean) * scale + bias with mean and scale per image and channel. One thread per element.
struct Params { n: u32, image: u32, channels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [n / image][image / channels][channels]
@group(0) @binding(2) var<storage, read> scale: array<vec2<f32>>; // [n / image][channels]
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [channels]
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // as x
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let channel = t % p.channels;
    let s = scale[(t / p.image) * p.channels + channel];
    out[t] = (x[t] - s.x) * s.y + bias[channel];
}
