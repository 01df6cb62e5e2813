// Share of y = sum over segments s of ind_s P_s(x) for a masked wire x = u - M (protocol "piecewise"):
//   P_s(u - M) = sum over i of c_(s,i)(u) (-M)^i, c_(s,i) the Taylor coefficients at the public u,
//   ind_s = q ^ beta_s = q + (1 - 2 q) beta_s, q public; [M^i], [beta_s], [beta_s M^i] are dealt.
// A segment whose first bit is NONE and second bit is NONE is always on (no selection).
// Dealt words, [word][n]: per branch of M: degree words M^i, then per segment degree words beta_s M^i; then per segment
// beta_s. One thread per element.
struct Params { n: u32, k: u32, branches: u32, segments: u32, selected: u32, degree: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<R>; // [n]
@group(0) @binding(2) var<storage, read> bits: array<u32>; // opened bits [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + degree]: first bit, second bit, coefficients
@group(0) @binding(4) var<storage, read> dealt: array<R>; // [words][n]
@group(0) @binding(5) var<storage, read_write> out: array<R>; // [n]
#import thread
#import ring
#import segment
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let h = r_shl(r_of(1u), p.k - 2u);
    let d = r_low(r_add(delta[t], h), p.k);
    let u = r_sub(d, h);
    // With two branches M is the mask itself (d's top bit set) or its signed reading.
    let per_branch = p.degree * (1u + p.selected);
    var base = 0u;
    if (p.branches == 2u && r_bit(d, p.k - 1u) == 0u) { base = per_branch; }
    let betas = p.branches * per_branch;
    var y = r_zero();
    var chosen = 0u;
    for (var s = 0u; s < p.segments; s++) {
        let row = s * (3u + p.degree);
        let b0 = r_lo(table[row]);
        let b1 = r_lo(table[row + 1u]);
        var c: array<R, 6>;
        for (var j = 0u; j <= p.degree; j++) { c[j] = table[row + 2u + j]; }
        for (var i = 0u; i < p.degree; i++) {
            for (var j = p.degree; j > i; j--) { c[j - 1u] = r_mac(c[j - 1u], u, c[j]); }
        }
        let selective = b0 != NONE || b1 != NONE;
        var q = 1u;
        if (selective) {
            q = indicator(b0, b1, t) & 1u;
            let beta = dealt[(betas + chosen) * p.n + t];
            let v = r_mul(c[0], beta);
            if (q == 1u) { y = r_sub(y, v); } else { y = r_add(y, v); }
        }
        if (p.first == 1u && q == 1u) { y = r_add(y, c[0]); }
        for (var i = 1u; i <= p.degree; i++) {
            var m = r_zero();
            if (q == 1u) { m = dealt[(base + i - 1u) * p.n + t]; }
            if (selective) {
                let bm = dealt[(base + p.degree * (1u + chosen) + i - 1u) * p.n + t];
                if (q == 1u) { m = r_sub(m, bm); } else { m = bm; }
            }
            if ((i & 1u) == 1u) { y = r_sub(y, r_mul(c[i], m)); } else { y = r_mac(y, c[i], m); }
        }
        if (selective) { chosen++; }
    }
    out[t] = y;
}
