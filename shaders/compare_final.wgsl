// End of a comparison: own share of [x < T] = sign(d) ^ sign(l) ^ less, masked by bit 8 of the instance's mask, one bit an
// element: bits [n / 32 rounded up][levels], and the own share of that mask. CLIENT draws its share of the products, the
// server has the dealer's message, two a word. Own masks are drawn as in compare_products.wgsl; one thread handles 32
// elements of a threshold. n is a multiple of 8.
struct Params {
    n: u32, groups: u32, levels: u32, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> mine: array<vec2<u32>>; // bytes [levels][n]
@group(0) @binding(3) var<storage, read> theirs: array<vec2<u32>>;
#ifdef SERVER
@group(0) @binding(4) var<storage, read> products: array<u32>; // packed [levels][n]
#endif
@group(0) @binding(5) var<storage, read> signs: array<u32>; // as compare_leaf.wgsl writes them, for `groups` rows a level
@group(0) @binding(6) var<storage, read_write> msg: array<u32>;
@group(0) @binding(7) var<storage, read_write> beta: array<u32>;
#import thread
#import draw
#import shorts
#import combine
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let block = t / p.levels;
    if (block * 32u >= p.n) { return; }
    let level = t - block * p.levels;
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
#ifdef CLIENT
    let own = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), t);
#endif
    let one = U(0x10001u);
    let first = U(p.first * 0x10001u);
    var word = signs[t * p.groups] * p.first;
    var mask = 0u;
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * block + part;
        let a = shorts(masks, part);
        // Bits beyond the last element are nothing but mask.
        mask |= gather8(a >> U(8u)) << (8u * part);
        if (at < eights) {
            let from_ = level * eights + at;
            let opened = mine[from_] ^ theirs[from_];
            let m = bytes(opened.x, opened.y);
#ifdef CLIENT
            let w = shorts(own, part);
#else
            let w = U(products[4u * from_], products[4u * from_ + 1u], products[4u * from_ + 2u], products[4u * from_ + 3u]);
#endif
            let v = less(factors(m, a, w, one, first), m, a, w, one, first) ^ bit(w, 15u, one);
            word ^= gather8(v) << (8u * part);
        }
    }
    msg[t] = word ^ mask;
    beta[t] = mask;
}
