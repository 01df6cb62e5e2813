// out = (x - mean) / sqrt(variance + eps) * weight + bias over each row, mean before variance. One thread per row; with QUAD
// columns are counted in fours.
struct Params { rows: u32, cols: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [rows][cols]
@group(0) @binding(2) var<storage, read> weight: array<S>; // [cols]
@group(0) @binding(3) var<storage, read> bias: array<S>; // [cols]
@group(0) @binding(4) var<storage, read_write> out: array<S>; // [rows][cols]
#import thread
#import lane
#import lanes
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.rows) { return; }
    let base = t * p.cols;
    let cols = p.cols;
    let n = f32(cols * LANES);
    // Deviations from the first element keep the sum small.
    let origin = first(e_load(x[base]));
    var sum = F();
    for (var i = 0u; i < cols; i++) { sum += e_load(x[base + i]) - origin; }
    let mean = origin + total(sum) / n;
    var squares = F();
    for (var i = 0u; i < cols; i++) {
        let d = e_load(x[base + i]) - mean;
        squares += d * d;
    }
    let scale = 1.0 / sqrt(total(squares) / n + p.eps);
    for (var i = 0u; i < cols; i++) {
        out[base + i] = e_store((e_load(x[base + i]) - mean) * scale * e_load(weight[i]) + e_load(bias[i]));
    }
}
