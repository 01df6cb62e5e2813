// out[n, y, x, c] = largest image[n, y s + i - pad, x s + j - pad, c] over i, j < k inside the image, with MEAN the mean of
// these. One thread per element.
struct Params { n: u32, h: u32, w: u32, c: u32, rows: u32, cols: u32, kernel: u32, stride: u32, pad: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [images][h][w][c]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [images][rows][cols][c], n elements
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let position = vec2<u32>((t / (p.c * p.cols)) % p.rows, (t / p.c) % p.cols);
    // What of the window lies inside, counted with the padding before the image.
    let low = max(position * p.stride, vec2<u32>(p.pad));
    let high = min(position * p.stride + p.kernel, vec2<u32>(p.h, p.w) + p.pad);
    let image = t / (p.c * p.cols * p.rows) * p.h;
    let first = ((image + low.x - p.pad) * p.w + low.y - p.pad) * p.c + t % p.c;
    let size = high - low;
#ifdef MEAN
    var value = 0.0;
#else
    var value = x[first];
#endif
    for (var i = 0u; i < size.x; i++) {
        for (var j = 0u; j < size.y; j++) {
            let v = x[first + (i * p.w + j) * p.c];
#ifdef MEAN
            value += v;
#else
            value = max(value, v);
#endif
        }
    }
#ifdef MEAN
    value /= f32(size.x * size.y);
#endif
    out[t] = value;
}
