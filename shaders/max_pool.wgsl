// out[n, y, x, c] = largest x[n, y s + i, x s + j, c] over i, j < k, for windows inside the image. One thread per element.
struct Params { n: u32, h: u32, w: u32, c: u32, rows: u32, cols: u32, kernel: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [images][h][w][c]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [images][rows][cols][c], n elements
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let channel = t % p.c;
    let column = (t / p.c) % p.cols;
    let row = (t / (p.c * p.cols)) % p.rows;
    let image = t / (p.c * p.cols * p.rows);
    let first = ((image * p.h + row * p.stride) * p.w + column * p.stride) * p.c + channel;
    var most = x[first];
    for (var i = 0u; i < p.kernel; i++) {
        for (var j = 0u; j < p.kernel; j++) { most = max(most, x[first + (i * p.w + j) * p.c]); }
    }
    out[t] = most;
}
