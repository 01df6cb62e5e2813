// Mean and sum of squared deviations of each group of channels over each part of an image. One thread per (image, part,
// group), groups fastest; a part is `chunk` positions, the last one of an image may be shorter. Images are `image` elements
// apart and begin at `offset`, moments at `first`: whole images, or some parts of one, from where `positions` are left. With
// QUAD elements are counted in fours, each within a group.
struct Params {
    images: u32, positions: u32, channels: u32, image: u32, groups: u32, parts: u32, chunk: u32, offset: u32, first: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [images][positions][channels]
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>; // [images][parts][groups]
#import thread
#import lane
#import lanes
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.images * p.parts * p.groups) { return; }
    let image = t / (p.parts * p.groups);
    let begin = (t / p.groups) % p.parts * p.chunk;
    let end = min(begin + p.chunk, p.positions);
    let width = p.channels / p.groups;
    let base = p.offset + image * p.image + (t % p.groups) * width;
    // Deviations from the first element keep the difference of the sums small.
    let channels = p.channels;
    let origin = first(e_load(x[base + begin * channels]));
    var sums = F();
    var squares = F();
    for (var i = begin; i < end; i++) {
        for (var c = 0u; c < width; c++) {
            let d = e_load(x[base + i * channels + c]) - origin;
            sums += d;
            squares += d * d;
        }
    }
    let sum = total(sums);
    let mean = sum / f32((end - begin) * width * LANES);
    moments[p.first + t] = vec2<f32>(origin + mean, max(total(squares) - sum * mean, 0.0));
}
