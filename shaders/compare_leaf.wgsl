// Leaves of a comparison [x < T]: for each threshold, group and element the masked byte (g0..g3, e0..e3) ^ mask where
// g = [d < l] and e = [d = l] for each nibble of the window of d = delta - T and of the mask l, read off the dealt
// one-hots. One thread writes 8 bytes, instances (threshold, group, element) with the element fastest; n is a multiple of 8.
struct Params { n: u32, groups: u32, count: u32, lo: u32, hi: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(2) var<storage, read> thresholds: array<R>; // [count / groups / n]
@group(0) @binding(3) var<storage, read> leaves: array<V>; // [groups][n]
@group(0) @binding(4) var<storage, read> masks: array<V>; // [count]
@group(0) @binding(5) var<storage, read_write> msg: array<vec2<u32>>; // [count / 8]
#import thread
#import load8(delta)
#import load8(leaves)
#import load8(masks)

// (g, e) of one nibble at bits q and 4 + q, from its 15 bits.
fn leaf(hot: u32, nibble: u32, q: u32) -> u32 {
    let g = countOneBits(hot >> nibble) & 1u;
    // [l = 0] is what is left of 1.
    let none = p.first ^ (countOneBits(hot) & 1u);
    let e = ((hot << 1u) >> nibble) & 1u;
    return (g << q) | (select(e, none, nibble == 0u) << (4u + q));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.count) { return; }
    let eights = p.n / 8u;
    let row = t / eights;
    let at = t - row * eights;
    let level = row / p.groups;
    let group = row - level * p.groups;
    let threshold = thresholds[level];
    var d = load8_delta(at);
    var l = load8_leaves(group * eights + at);
    var m = load8_masks(t);
    var bytes: array<u32, 8>;
    for (var i = 0u; i < 8u; i++) {
        let window = r_low(r_shr(r_low(r_sub(d[i], threshold), p.hi), p.lo), p.hi - p.lo - 1u);
        let v = r_lo(r_shr(window, 16u * group)) & 0xffffu;
        let lo = r_lo(l[i]);
        let hi = r_hi(l[i]);
        let byte = leaf(lo & 0x7fffu, v & 15u, 0u)
            | leaf((lo >> 15u) & 0x7fffu, (v >> 4u) & 15u, 1u)
            | leaf(((lo >> 30u) | (hi << 2u)) & 0x7fffu, (v >> 8u) & 15u, 2u)
            | leaf((hi >> 13u) & 0x7fffu, v >> 12u, 3u);
        bytes[i] = (byte ^ r_lo(m[i])) & 0xffu;
    }
    msg[t] = vec2<u32>(
        bytes[0] | (bytes[1] << 8u) | (bytes[2] << 16u) | (bytes[3] << 24u),
        bytes[4] | (bytes[5] << 8u) | (bytes[6] << 16u) | (bytes[7] << 24u));
}
