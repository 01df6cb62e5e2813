// out[n, y, x, (i, j, c)] = image[n, y + i - rows / 2, x + j - cols / 2, c] for i < rows, j < cols; 0 outside the image. One
// thread per element; an element is a number, or with QUAD four.
struct Params { n: u32, h: u32, w: u32, c: u32, rows: u32, cols: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [images][h][w][c]
@group(0) @binding(2) var<storage, read_write> out: array<S>; // [images][h][w][rows][cols][c], n elements
#import thread
#import lane
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let tap = t / p.c % (p.rows * p.cols);
    let at = t / (p.c * p.rows * p.cols);
    // Below the image's start the difference wraps to a large number.
    let y = at / p.w % p.h + tap / p.cols - p.rows / 2u;
    let z = at % p.w + tap % p.cols - p.cols / 2u;
    var value = S();
    if (y < p.h && z < p.w) { value = x[((at / (p.h * p.w) * p.h + y) * p.w + z) * p.c + t % p.c]; }
    out[t] = value;
}
