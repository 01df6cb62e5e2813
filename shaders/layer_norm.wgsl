// out = (x - mean) / sqrt(variance + eps) * weight + bias over each row, mean before variance. One thread per row.
struct Params { rows: u32, cols: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [rows][cols]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [cols]
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [cols]
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // [rows][cols]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.rows) { return; }
    let base = t * p.cols;
    // Deviations from the first element keep the sum small.
    let origin = x[base];
    var sum = 0.0;
    for (var i = 1u; i < p.cols; i++) { sum += x[base + i] - origin; }
    let mean = origin + sum / f32(p.cols);
    var squares = 0.0;
    for (var i = 0u; i < p.cols; i++) {
        let d = x[base + i] - mean;
        squares += d * d;
    }
    let scale = 1.0 / sqrt(squares / f32(p.cols) + p.eps);
    for (var i = 0u; i < p.cols; i++) { out[base + i] = (x[base + i] - mean) * scale * weight[i] + bias[i]; }
}
