// Dealer's part of a comparison, combining: from the 8 mask bits of an instance (g0..g3, e0..e3) the 22 products that
// shared/combine.wgsl reads, and bit 15 = the mask's window sign bit (of element
// i % n). One thread handles 8 instances; count and n are multiples of 8.
struct Params { count: u32, n: u32, sign: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> masks: array<V>; // [count]
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> out: array<V>; // [count]
#import thread
#import load8(masks)
#import load8(lam)
#import store8(out)

fn products(m: u32, sign: u32) -> u32 {
    let g0 = m & 1u;
    let g1 = (m >> 1u) & 1u;
    let g2 = (m >> 2u) & 1u;
    let e0 = (m >> 4u) & 1u;
    let e1 = (m >> 5u) & 1u;
    let e2 = (m >> 6u) & 1u;
    let e3 = (m >> 7u) & 1u;
    let e32 = e3 & e2;
    let e31 = e3 & e1;
    let e21 = e2 & e1;
    let e321 = e32 & e1;
    var w = (e3 & g2) | (e32 << 1u) | ((e3 & g1) << 2u) | ((e2 & g1) << 3u) | ((e32 & g1) << 4u);
    w |= (e31 << 5u) | ((e3 & g0) << 6u) | (e21 << 7u) | ((e2 & g0) << 8u) | ((e1 & g0) << 9u);
    w |= (e321 << 10u) | ((e32 & g0) << 11u) | ((e31 & g0) << 12u) | ((e21 & g0) << 13u) | ((e321 & g0) << 14u);
    // Bit 15 is the sign so that one-group comparisons need 16 bits only; products for "all equal" follow.
    w |= sign << 15u;
    w |= ((e3 & e0) << 16u) | ((e2 & e0) << 17u) | ((e1 & e0) << 18u);
    w |= ((e32 & e0) << 19u) | ((e31 & e0) << 20u) | ((e21 & e0) << 21u) | ((e321 & e0) << 22u);
    return w;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.count) { return; }
    var m = load8_masks(t);
    var l = load8_lam(t % (p.n / 8u));
    for (var i = 0u; i < 8u; i++) { m[i] = r_of(products(r_lo(m[i]), r_bit(l[i], p.sign))); }
    store8_out(t, m);
}
