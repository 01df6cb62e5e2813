// out = (x - mean) * scale + bias with mean and scale per image and channel. One thread per element.
struct Params { n: u32, image: u32, channels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<F>; // [n / image][image / channels][channels]
@group(0) @binding(2) var<storage, read> mean: array<F>; // [n / image][channels]
@group(0) @binding(3) var<storage, read> scale: array<F>; // [n / image][channels]
@group(0) @binding(4) var<storage, read> bias: array<F>; // [channels]
@group(0) @binding(5) var<storage, read_write> out: array<F>; // as x
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let channel = t % p.channels;
    let s = (t / p.image) * p.channels + channel;
    out[t] = (x[t] - mean[s]) * scale[s] + bias[channel];
}
