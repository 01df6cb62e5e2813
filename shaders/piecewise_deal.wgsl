// Dealer's words for piecewise.wgsl, in its order, from the wire's mask and the comparison masks (bit 8 is beta).
// One thread per element.
struct Params { n: u32, k: u32, branches: u32, segments: u32, selected: u32, degree: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<R>; // [n]
@group(0) @binding(2) var<storage, read> masks: array<R>; // [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + degree]
@group(0) @binding(4) var<storage, read_write> out: array<R>; // [words][n]
#import thread
#import ring
const NONE: u32 = 0xffffffffu;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let per_branch = p.degree * (1u + p.selected);
    let l = r_low(lam[t], p.k);
    for (var b = 0u; b < p.branches; b++) {
        var m = l;
        if (b == 1u) { m = r_sub(l, r_shl(r_of(r_bit(l, p.k - 1u)), p.k)); }
        var power = m;
        for (var i = 0u; i < p.degree; i++) {
            out[(b * per_branch + i) * p.n + t] = power;
            power = r_mul(power, m);
        }
    }
    var chosen = 0u;
    for (var s = 0u; s < p.segments; s++) {
        let b0 = r_lo(table[s * (3u + p.degree)]);
        let b1 = r_lo(table[s * (3u + p.degree) + 1u]);
        if (b0 == NONE && b1 == NONE) { continue; }
        var beta = 0u;
        if (b0 != NONE) { beta ^= r_bit(masks[b0 * p.n + t], 8u); }
        if (b1 != NONE) { beta ^= r_bit(masks[b1 * p.n + t], 8u); }
        for (var b = 0u; b < p.branches; b++) {
            for (var i = 0u; i < p.degree; i++) {
                let power = out[(b * per_branch + i) * p.n + t];
                out[(b * per_branch + p.degree * (1u + chosen) + i) * p.n + t] = r_and(power, r_neg(r_of(beta)));
            }
        }
        out[(p.branches * per_branch + chosen) * p.n + t] = r_of(beta);
        chosen++;
    }
}
