// piecewise.wgsl for degree 1 (ReLU, clipping) and n a multiple of 8: the same words in the same order, with wide loads.
// One thread handles 8 elements.
struct Params { n: u32, k: u32, branches: u32, segments: u32, selected: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(2) var<storage, read> bits: array<u32>; // opened bits [thresholds][n]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][4]: first bit, second bit, value at 0, slope
@group(0) @binding(4) var<storage, read> dealt: array<V>; // [words][n]
@group(0) @binding(5) var<storage, read_write> out: array<V>; // [n]
#import thread
#import segment
#import load8(delta)
#import load8(dealt)
#import store8(out)

// Dealt word `w` of the signed branch where `low` is all ones, else of the unsigned one.
fn branch(w: u32, low: array<R, 8>, t: u32) -> array<R, 8> {
    var a = load8_dealt(w * (p.n >> 3u) + t);
    if (p.branches == 2u) {
        var keep = low;
        var b = load8_dealt((w + 1u + p.selected) * (p.n >> 3u) + t);
        for (var i = 0u; i < 8u; i++) { a[i] = r_xor(a[i], r_and(r_xor(a[i], b[i]), keep[i])); }
    }
    return a;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let h = r_shl(r_of(1u), p.k - 2u);
    let public_part = r_neg(r_of(p.first));
    var u = load8_delta(t);
    var low: array<R, 8>;
    var y: array<R, 8>;
    for (var i = 0u; i < 8u; i++) {
        let d = r_low(r_add(u[i], h), p.k);
        low[i] = r_neg(r_of(1u - r_bit(d, p.k - 1u)));
        u[i] = r_sub(d, h);
        y[i] = r_zero();
    }
    var mask = branch(0u, low, t);
    var chosen = 0u;
    for (var s = 0u; s < p.segments; s++) {
        let b0 = r_lo(table[4u * s]);
        let b1 = r_lo(table[4u * s + 1u]);
        let start = table[4u * s + 2u];
        let slope = table[4u * s + 3u];
        if (b0 == NONE && b1 == NONE) {
            for (var i = 0u; i < 8u; i++) {
                let value = r_mac(start, slope, u[i]);
                y[i] = r_add(y[i], r_sub(r_and(value, public_part), r_mul(slope, mask[i])));
            }
        } else {
            let q = indicator(b0, b1, 8u * t);
            var masked = branch(1u + chosen, low, t);
            var beta = load8_dealt((p.branches * (1u + p.selected) + chosen) * (p.n >> 3u) + t);
            for (var i = 0u; i < 8u; i++) {
                let on = r_neg(r_of((q >> i) & 1u));
                let value = r_mac(start, slope, u[i]);
                // value beta - slope (beta M), negated where q is 1, plus q (value - slope M)
                let part = r_sub(r_mul(value, beta[i]), r_mul(slope, masked[i]));
                let whole = r_sub(r_and(value, public_part), r_mul(slope, mask[i]));
                y[i] = r_add(y[i], r_add(r_sub(r_xor(part, on), on), r_and(whole, on)));
            }
            chosen++;
        }
    }
    store8_out(t, y);
}
