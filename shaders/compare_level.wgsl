// Middle of a comparison over more than 16 low bits: combines each group's opened byte to (less, equal) and packs the
// groups' bits, masked again, as the byte of a second level. CLIENT draws its share of the products, the server has the
// dealer's message. Own masks m of the leaves and s of the second level are drawn as in compare_products.wgsl; one thread
// handles 32 elements of a threshold. n is a multiple of 8.
struct Params {
    n: u32, groups: u32, levels: u32, first: u32, m0: u32, m1: u32, m2: u32, s0: u32, s1: u32, s2: u32,
    n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> mine: array<vec2<u32>>; // bytes [levels][groups][n]
@group(0) @binding(3) var<storage, read> theirs: array<vec2<u32>>;
#ifdef SERVER
@group(0) @binding(4) var<storage, read> products: array<Packed_products>; // packed [levels][groups][n]
#import unpack(products)
#endif
@group(0) @binding(5) var<storage, read_write> msg: array<vec2<u32>>; // bytes [levels][n]
#import thread
#import prg
#import combine
// Masked (less, equal) at bits 0 and 4 of the instance's byte.
fn both(m: U, a: U, w: U) -> U {
    let one = U(1u);
    let first = U(p.first);
    let f = factors(m, a, w, one, first);
    return less(f, m, a, w, one, first) | (equal(f, m, a, w, one) << U(4u));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let block = t / p.levels;
    if (block * 32u >= p.n) { return; }
    let level = t - block * p.levels;
    let key = 1u - p.first;
    let rows = p.levels * p.groups;
    let next = draw(key, vec3<u32>(p.s0, p.s1, p.s2), t);
    // Groups that do not exist are equal.
    let rest = ((0xf0u << p.groups) & 0xf0u) * p.first;
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * block + part;
        if (at < eights) {
            // Bytes of elements 0, 2, 4, 6 and of 1, 3, 5, 7.
            var even = U(rest);
            var odd = even;
            for (var g = 0u; g < p.groups; g++) {
                let row = level * p.groups + g;
                let from_ = row * eights + at;
                let opened = mine[from_] ^ theirs[from_];
                let m = bytes(opened.x, opened.y);
                let mask_block = block * rows + row;
                let a = shorts(draw(key, vec3<u32>(p.m0, p.m1, p.m2), mask_block), part);
#ifdef CLIENT
                var w = part8(draw(0u, vec3<u32>(p.n0, p.n1, p.n2), 2u * mask_block + (part >> 1u)), part & 1u);
#else
                var w = unpack8_products(from_);
#endif
                let x = U(r_lo(w[0]), r_lo(w[2]), r_lo(w[4]), r_lo(w[6]));
                let y = U(r_lo(w[1]), r_lo(w[3]), r_lo(w[5]), r_lo(w[7]));
                even |= both(m, a, x) << U(g);
                odd |= both(m >> U(16u), a >> U(16u), y) << U(g);
            }
            let s = shorts(next, part);
            even ^= s & U(0xffu);
            odd ^= (s >> U(16u)) & U(0xffu);
            let two = even | (odd << U(8u));
            msg[level * eights + at] = vec2<u32>(two.x | (two.y << 16u), two.z | (two.w << 16u));
        }
    }
}
