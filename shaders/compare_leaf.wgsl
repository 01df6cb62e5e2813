// Leaves of a comparison [x < T]: for each threshold, group and element the masked byte (g0..g3, e0..e3) ^ mask where
// g = [d < l] and e = [d = l] for each digit of the window of d = delta - T and of the mask l, read off the dealt
// one-hots (compare_deal.wgsl). A row is a threshold and a group of digits, groups fastest. CLIENT draws its one-hots, the server has the
// dealer's message. Own masks are drawn as in compare_products.wgsl; one thread handles a block of them, 32 elements of a
// row. Writes bytes, and the window's sign bit of d. n is a multiple of 8.
struct Params {
    n: u32, groups: u32, rows: u32, lo: u32, hi: u32, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(3) var<storage, read> thresholds: array<R>; // [rows / groups]
#ifdef SERVER
@group(0) @binding(4) var<storage, read> leaves: array<Packed_leaves>; // packed [groups][n]
#import unpack(leaves)
#endif
@group(0) @binding(5) var<storage, read_write> msg: array<vec2<u32>>; // [rows][n / 8]
@group(0) @binding(6) var<storage, read_write> signs: array<u32>; // bits [n / 32 rounded up][rows]
#import thread
#import prg
#import masked8
#import load8(delta)

// (g, e) of one digit at bits q and 4 + q, from its 15 or 7 bits.
fn leaf(hot: u32, digit: u32, q: u32) -> u32 {
    let g = countOneBits(hot >> digit) & 1u;
    // [l = 0] is what is left of 1.
    let none = p.first ^ (countOneBits(hot) & 1u);
    let e = ((hot << 1u) >> digit) & 1u;
    return (g << q) | (select(e, none, digit == 0u) << (4u + q));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let block = t / p.rows;
    if (block * 32u >= p.n) { return; }
    let row = t - block * p.rows;
    let level = row / p.groups;
    let group = row - level * p.groups;
    let threshold = thresholds[level];
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    var word = 0u;
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * block + part;
        if (at < eights) {
            var d = load8_delta(at);
            let from_ = group * eights + at;
#ifdef CLIENT
            var l = part8(draw(0u, vec3<u32>(p.n0, p.n1, p.n2), from_ / PARTS), from_ % PARTS);
#else
            var l = unpack8_leaves(from_);
#endif
            let m = shorts(masks, part);
            var bytes: array<u32, 8>;
#each i 8
            {
                let difference = r_sub(d[%i], threshold);
                let window = r_low(r_shr(r_low(difference, p.hi), p.lo), p.hi - p.lo - 1u);
                word |= r_bit(difference, p.hi - 1u) << (8u * part + %iu);
                let hot = r_low(l[%i], K);
                let lo = r_lo(hot);
#ifdef K60
                let v = r_lo(r_shr(window, 16u * group)) & 0xffffu;
                let hi = r_hi(hot);
                bytes[%i] = leaf(lo & 0x7fffu, v & 15u, 0u)
                    | leaf((lo >> 15u) & 0x7fffu, (v >> 4u) & 15u, 1u)
                    | leaf(((lo >> 30u) | (hi << 2u)) & 0x7fffu, (v >> 8u) & 15u, 2u)
                    | leaf((hi >> 13u) & 0x7fffu, v >> 12u, 3u);
#else
                let v = r_lo(window);
                bytes[%i] = leaf(lo & 0x7fu, v & 7u, 0u)
                    | leaf((lo >> 7u) & 0x7fu, (v >> 3u) & 7u, 1u)
                    | leaf((lo >> 14u) & 0x7fu, (v >> 6u) & 7u, 2u)
                    | leaf((lo >> 21u) & 0x7fu, (v >> 9u) & 7u, 3u);
#endif
            }
#end
            msg[row * eights + at] = masked8(bytes, m, at);
        }
    }
    signs[t] = word;
}
