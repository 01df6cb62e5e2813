// Middle of a comparison over more than 16 low bits: combines each group's opened byte to (less, equal) and packs the
// groups' bits, masked again, as the byte of a second level. One thread writes 8 bytes; n is a multiple of 8.
struct Params { n: u32, groups: u32, count: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mine: array<vec2<u32>>; // bytes [thresholds][groups][n]
@group(0) @binding(2) var<storage, read> theirs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> masks: array<V>; // [thresholds][groups][n]
@group(0) @binding(4) var<storage, read> products: array<V>; // [thresholds][groups][n]
@group(0) @binding(5) var<storage, read> next: array<V>; // [count] masks of the second level
@group(0) @binding(6) var<storage, read_write> msg: array<vec2<u32>>; // bytes [count], count = thresholds * n
#import thread
#import combine
#import load8(masks)
#import load8(products)
#import load8(next)
// (less, equal) of element i of four at bits 0 and 4 of byte i.
fn both(opened: u32, i: u32, a: R, w: R) -> u32 {
    let s = combine((opened >> (8u * i)) & 0xffu, r_lo(a), r_lo(w), p.first);
    return ((s & 1u) | ((s >> 1u) << 4u)) << (8u * i);
}

fn byte(m: R, i: u32) -> u32 { return (r_lo(m) & 0xffu) << (8u * i); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.count) { return; }
    let eights = p.n / 8u;
    let level = t / eights;
    // Groups that do not exist are equal.
    let rest = ((0xf0u << p.groups) & 0xf0u) * p.first;
    // Four bytes each, all bits of one kind; `groups` is at most 4.
    var low = rest * 0x01010101u;
    var high = low;
    for (var g = 0u; g < p.groups; g++) {
        let at = (level * p.groups + g) * eights + (t - level * eights);
        let opened = mine[at] ^ theirs[at];
        var a = load8_masks(at);
        var w = load8_products(at);
        // Written out, see compare_final.wgsl.
        low |= (both(opened.x, 0u, a[0], w[0]) | both(opened.x, 1u, a[1], w[1])
            | both(opened.x, 2u, a[2], w[2]) | both(opened.x, 3u, a[3], w[3])) << g;
        high |= (both(opened.y, 0u, a[4], w[4]) | both(opened.y, 1u, a[5], w[5])
            | both(opened.y, 2u, a[6], w[6]) | both(opened.y, 3u, a[7], w[7])) << g;
    }
    var m = load8_next(t);
    low ^= byte(m[0], 0u) | byte(m[1], 1u) | byte(m[2], 2u) | byte(m[3], 3u);
    high ^= byte(m[4], 0u) | byte(m[5], 1u) | byte(m[6], 2u) | byte(m[7], 3u);
    msg[t] = vec2<u32>(low, high);
}
