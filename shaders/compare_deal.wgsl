// Dealer's part of a comparison, leaves: for each element and each group of 4 nibbles of the mask's low window bits, the
// one-hot of every nibble without value 0, nibble q at bits 15 q. One thread handles 8 elements of a group; n is a multiple
// of 8.
struct Params { n: u32, groups: u32, lo: u32, hi: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<V>; // [groups][n]
#import thread
#import load8(lam)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n * p.groups) { return; }
    let eights = p.n / 8u;
    let g = t / eights;
    var l = load8_lam(t - g * eights);
    for (var i = 0u; i < 8u; i++) {
        // The window without its sign bit.
        let low = r_low(r_shr(r_low(l[i], p.hi), p.lo), p.hi - p.lo - 1u);
        let v = r_lo(r_shr(low, 16u * g)) & 0xffffu;
        // Nibble 0 has no bit.
        let h0 = (1u << (v & 15u)) >> 1u;
        let h1 = (1u << ((v >> 4u) & 15u)) >> 1u;
        let h2 = (1u << ((v >> 8u) & 15u)) >> 1u;
        let h3 = (1u << (v >> 12u)) >> 1u;
        l[i] = r_make(h0 | (h1 << 15u) | (h2 << 30u), (h2 >> 2u) | (h3 << 13u));
    }
    store8_out(t, l);
}
