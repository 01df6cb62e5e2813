// out[i] = f(x[i]); f: 0 silu, 1 quick_gelu, 2 gelu. One thread per F.
struct Params { n: u32, f: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<S>; // [n]
#import thread
#import lane
#import exp

// erfc(z) = t exp(tail(t) - z^2), t = 1 / (1 + z / 2), z >= 0, to 1.2e-7 relative (Numerical Recipes, section 6.2).
fn tail(t: F) -> F {
    var q = F(0.17087277);
    q = q * t - 0.82215223;
    q = q * t + 1.48851587;
    q = q * t - 1.13520398;
    q = q * t + 0.27886807;
    q = q * t - 0.18628806;
    q = q * t + 0.09678418;
    q = q * t + 0.37409196;
    q = q * t + 1.00002368;
    return q * t - 1.26551223;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let i = thread(gid);
    if (i >= p.n) { return; }
    let v = e_load(x[i]);
    // One exponential for all of them: software adapters run every branch.
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.5 * z);
    let slope = select(-1.0, -1.702, p.f == 1u);
    let e = exp_f32(select(slope * v, tail(t) - z * z, p.f == 2u));
    // v Phi(v)
    let half = 0.5 * t * e;
    let gelu = v * select(half, 1.0 - half, v >= F());
    out[i] = e_store(select(v / (1.0 + e), gelu, p.f == 2u));
}
