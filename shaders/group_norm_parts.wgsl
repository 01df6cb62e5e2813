// Mean and sum of squared deviations of each group of channels over each part of an image. One thread per (image, part,
// group), groups fastest; a part is `chunk` positions, the last one of an image may be shorter. Images are `image` elements
// apart and begin at `offset`, moments at `first`: whole images, or some parts of one, from where `positions` are left.
struct Params {
    images: u32, positions: u32, channels: u32, image: u32, groups: u32, parts: u32, chunk: u32, offset: u32, first: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [images][positions][channels]
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>; // [images][parts][groups]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.images * p.parts * p.groups) { return; }
    let image = t / (p.parts * p.groups);
    let first = (t / p.groups) % p.parts * p.chunk;
    let end = min(first + p.chunk, p.positions);
    let width = p.channels / p.groups;
    let base = p.offset + image * p.image + (t % p.groups) * width;
    // Deviations from the first element keep the difference of the sums small.
    let origin = x[base + first * p.channels];
    var sum = 0.0;
    var squares = 0.0;
    for (var i = first; i < end; i++) {
        for (var c = 0u; c < width; c++) {
            let d = x[base + i * p.channels + c] - origin;
            sum += d;
            squares += d * d;
        }
    }
    let mean = sum / f32((end - first) * width);
    moments[p.first + t] = vec2<f32>(origin + mean, max(squares - sum * mean, 0.0));
}
