// out = (x - mean) * scale + bias with mean and scale per image and channel. x begins with element `block` of all
// images. One thread per element.
struct Params { n: u32, block: u32, image: u32, channels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [n] of [images][image / channels][channels]
@group(0) @binding(2) var<storage, read> mean: array<S>; // [images][channels]
@group(0) @binding(3) var<storage, read> scale: array<S>; // [images][channels]
@group(0) @binding(4) var<storage, read> bias: array<S>; // [channels]
@group(0) @binding(5) var<storage, read_write> out: array<S>; // as x
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let i = p.block + t;
    let channel = i % p.channels;
    let s = (i / p.image) * p.channels + channel;
    out[t] = e_store((e_load(x[t]) - e_load(mean[s])) * e_load(scale[s]) + e_load(bias[channel]));
}
