// Leaves of a comparison with digits of 7 bits, as those of compare_leaf.wgsl: for each threshold and element the masked byte
// (g0..g3, e0..e3) ^ mask where g = [d < l] and e = [d = l] for each digit of the window of d = delta - T and of the mask l,
// read off a share of the one-hots: bit v of the words 2 q and 2 q + 1 is [digit q of l is v]. With TWO there are no others
// than g0, g1, e0 and e1, for windows of 15 bits. Own masks are drawn as in
// compare_products.wgsl; one thread handles a block of them, 32 elements of a threshold. Writes bytes, and the window's sign
// bit of d. n is a multiple of 8.
struct Params { n: u32, rows: u32, lo: u32, hi: u32, first: u32, m0: u32, m1: u32, m2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(3) var<storage, read> thresholds: array<R>; // [rows]
@group(0) @binding(4) var<storage, read> hot: array<vec2<u32>>; // [8][n], with TWO [4][n]
@group(0) @binding(5) var<storage, read_write> msg: array<vec2<u32>>; // [rows][n / 8]
@group(0) @binding(6) var<storage, read_write> signs: array<u32>; // bits [n / 32 rounded up][rows]
#import thread
#import draw
#import shorts
#import masked8
#import load8(delta)

// (g, e) of digit q at bits q and 4 + q.
fn leaf(e: u32, digit: u32, q: u32) -> u32 {
    let low = hot[2u * q * p.n + e];
    let high = hot[(2u * q + 1u) * p.n + e];
    let words = vec4<u32>(low, high);
    let word = vec4<u32>(digit >> 5u);
    let index = vec4<u32>(0u, 1u, 2u, 3u);
    let here = select(vec4<u32>(0u), words, index == word);
    let own = here.x | here.y | here.z | here.w;
    let beyond = select(vec4<u32>(0u), words, index > word);
    let above = beyond.x ^ beyond.y ^ beyond.z ^ beyond.w ^ ((own >> (digit & 31u)) >> 1u);
    return ((countOneBits(above) & 1u) << q) | (((own >> (digit & 31u)) & 1u) << (4u + q));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let block = t / p.rows;
    if (block * 32u >= p.n) { return; }
    let row = t - block * p.rows;
    let threshold = thresholds[row];
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    var word = 0u;
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * block + part;
        if (at < eights) {
            var d = load8_delta(at);
            let m = shorts(masks, part);
            var bytes: array<u32, 8>;
#each i 8
            {
                let difference = r_sub(d[%i], threshold);
                let v = r_lo(r_low(r_shr(r_low(difference, p.hi), p.lo), p.hi - p.lo - 1u));
                word |= r_bit(difference, p.hi - 1u) << (8u * part + %iu);
                let e = 8u * at + %iu;
                bytes[%i] = leaf(e, v & 127u, 0u) | leaf(e, (v >> 7u) & 127u, 1u);
#ifdef TWO
#else
                bytes[%i] |= leaf(e, (v >> 14u) & 127u, 2u) | leaf(e, (v >> 21u) & 127u, 3u);
#endif
            }
#end
            msg[row * eights + at] = masked8(bytes, m, at);
        }
    }
    signs[t] = word;
}
