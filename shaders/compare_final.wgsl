// End of a comparison: own share of [x < T] = sign(d) ^ sign(l) ^ less, masked by bit 8 of the instance's mask word, one
// bit an element. One thread writes 32 bits; n is a multiple of 8.
struct Params { n: u32, count: u32, hi: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mine: array<vec2<u32>>; // bytes [count]
@group(0) @binding(2) var<storage, read> theirs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> masks: array<V>; // [count]
@group(0) @binding(4) var<storage, read> products: array<V>; // [count]
@group(0) @binding(5) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(6) var<storage, read> thresholds: array<R>; // [count / n]
@group(0) @binding(7) var<storage, read_write> msg: array<u32>; // bits [count]
#import thread
#import combine
#import load8(masks)
#import load8(products)
#import load8(delta)
// Own share of element i of four, at bit i: opened bytes, own mask word, own products, sign of the difference.
fn less(opened: u32, i: u32, a: R, w: R, sign: u32) -> u32 {
    let own = r_lo(w);
    let mask = r_lo(a);
    let bit = combine((opened >> (8u * i)) & 0xffu, mask, own, p.first) ^ (own >> 15u) ^ (mask >> 8u) ^ sign;
    return (bit & 1u) << i;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.count) { return; }
    let eights = p.n / 8u;
    var word = 0u;
    for (var b = 0u; b < 4u; b++) {
        let at = 4u * t + b;
        if (at * 8u < p.count) {
            let level = at / eights;
            let threshold = thresholds[level];
            let opened = mine[at] ^ theirs[at];
            var a = load8_masks(at);
            var w = load8_products(at);
            var d = load8_delta(at - level * eights);
            // Written out: a loop this long stays one on software adapters, with its arrays in memory.
            let s = p.hi - 1u;
            let y = vec4<u32>(r_bit(r_sub(d[0], threshold), s), r_bit(r_sub(d[1], threshold), s),
                r_bit(r_sub(d[2], threshold), s), r_bit(r_sub(d[3], threshold), s)) * p.first;
            let z = vec4<u32>(r_bit(r_sub(d[4], threshold), s), r_bit(r_sub(d[5], threshold), s),
                r_bit(r_sub(d[6], threshold), s), r_bit(r_sub(d[7], threshold), s)) * p.first;
            let byte = less(opened.x, 0u, a[0], w[0], y.x) | less(opened.x, 1u, a[1], w[1], y.y)
                | less(opened.x, 2u, a[2], w[2], y.z) | less(opened.x, 3u, a[3], w[3], y.w)
                | ((less(opened.y, 0u, a[4], w[4], z.x) | less(opened.y, 1u, a[5], w[5], z.y)
                | less(opened.y, 2u, a[6], w[6], z.z) | less(opened.y, 3u, a[7], w[7], z.w)) << 4u);
            word |= byte << (8u * b);
        }
    }
    msg[t] = word;
}
