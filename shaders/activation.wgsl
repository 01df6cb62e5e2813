// out[i] = f(x[i]); f: 0 relu, 1 silu, 2 gelu, 3 quick_gelu, 4 the table. One thread per element.
struct Params { n: u32, f: u32, borders: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [n]
@group(0) @binding(2) var<storage, read> table: array<f32>; // [borders + (borders + 1) * width]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [n]
#import thread
#import exp
#import table

fn silu(v: f32) -> f32 { return v / (1.0 + exp_f32(-v)); }

// v Phi(v). erfc(z) = t exp(P(t) - z^2), t = 1 / (1 + z / 2), z >= 0, to 1.2e-7 relative (Numerical Recipes, section 6.2).
fn gelu(v: f32) -> f32 {
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.5 * z);
    var q = 0.17087277;
    q = q * t - 0.82215223;
    q = q * t + 1.48851587;
    q = q * t - 1.13520398;
    q = q * t + 0.27886807;
    q = q * t - 0.18628806;
    q = q * t + 0.09678418;
    q = q * t + 0.37409196;
    q = q * t + 1.00002368;
    q = q * t - 1.26551223;
    let tail = 0.5 * t * exp_f32(q - z * z);
    return v * select(tail, 1.0 - tail, v >= 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let v = x[t];
    var y = 0.0;
    switch (p.f) {
        case 0u: { y = max(v, 0.0); }
        case 1u: { y = silu(v); }
        case 2u: { y = gelu(v); }
        case 3u: { y = silu(1.702 * v) / 1.702; }
        default: { y = table_at(v); }
    }
    out[t] = y;
}
