// From the moments of the parts, per image and channel the group's mean and weight[channel] / sqrt(variance + eps).
// One thread per (image, channel).
struct Params { images: u32, positions: u32, channels: u32, groups: u32, parts: u32, chunk: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec2<f32>>; // [images][parts][groups]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [channels]
@group(0) @binding(3) var<storage, read_write> mean: array<f32>; // [images][channels]
@group(0) @binding(4) var<storage, read_write> scale: array<f32>; // [images][channels]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.images * p.channels) { return; }
    let channel = t % p.channels;
    let width = p.channels / p.groups;
    let base = (t / p.channels) * p.parts * p.groups + channel / width;
    let origin = moments[base].x;
    // Chan, Golub, LeVeque: parts of positions i to i + chunk.
    var shift = 0.0;
    var squares = 0.0;
    for (var i = 0u; i < p.parts; i++) {
        let m = moments[base + i * p.groups];
        let d = m.x - origin;
        let share = f32(min((i + 1u) * p.chunk, p.positions) - i * p.chunk) / f32(p.positions);
        shift += share * d;
        squares += m.y / f32(p.positions * width) + share * d * d;
    }
    let variance = max(squares - shift * shift, 0.0);
    mean[t] = origin + shift;
    scale[t] = weight[channel] / sqrt(variance + p.eps);
}
