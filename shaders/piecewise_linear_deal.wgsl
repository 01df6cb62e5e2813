// piecewise_deal.wgsl for degree 1 and n a multiple of 8: the same words in the same order, with wide loads and stores.
// One thread handles 8 elements.
struct Params { n: u32, k: u32, branches: u32, segments: u32, selected: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(2) var<storage, read> masks: array<V>; // [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][4]
@group(0) @binding(4) var<storage, read_write> out: array<V>; // [words][n]
#import thread
#import load8(lam)
#import load8(masks)
#import store8(out)
const NONE: u32 = 0xffffffffu;

fn beta(b: u32, t: u32, so_far: array<R, 8>) -> array<R, 8> {
    var v = so_far;
    if (b != NONE) {
        var m = load8_masks(b * (p.n >> 3u) + t);
        for (var i = 0u; i < 8u; i++) { v[i] = r_xor(v[i], r_of(r_bit(m[i], 8u))); }
    }
    return v;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let groups = p.n >> 3u;
    let per_branch = 1u + p.selected;
    var l = load8_lam(t);
    var signed_l: array<R, 8>;
    for (var i = 0u; i < 8u; i++) {
        l[i] = r_low(l[i], p.k);
        signed_l[i] = l[i];
        if (p.branches == 2u) { signed_l[i] = r_sub(l[i], r_shl(r_of(r_bit(l[i], p.k - 1u)), p.k)); }
    }
    store8_out(t, l);
    if (p.branches == 2u) { store8_out(per_branch * groups + t, signed_l); }
    var chosen = 0u;
    for (var s = 0u; s < p.segments; s++) {
        let b0 = r_lo(table[4u * s]);
        let b1 = r_lo(table[4u * s + 1u]);
        if (b0 == NONE && b1 == NONE) { continue; }
        var none: array<R, 8>;
        for (var i = 0u; i < 8u; i++) { none[i] = r_zero(); }
        var v = beta(b1, t, beta(b0, t, none));
        store8_out((p.branches * per_branch + chosen) * groups + t, v);
        var a: array<R, 8>;
        for (var i = 0u; i < 8u; i++) { a[i] = r_and(l[i], r_neg(v[i])); }
        store8_out((1u + chosen) * groups + t, a);
        if (p.branches == 2u) {
            for (var i = 0u; i < 8u; i++) { a[i] = r_and(signed_l[i], r_neg(v[i])); }
            store8_out((per_branch + 1u + chosen) * groups + t, a);
        }
        chosen++;
    }
}
