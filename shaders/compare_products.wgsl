// Dealer's part of a comparison, combining: from the 8 mask bits of an instance (g0..g3, e0..e3) the products that
// shared/combine.wgsl reads, 15 of them with K16 or 22 with K24, and at bit 15 the mask's window sign bit, ^ the client's
// stream, in the wire format, instances [rows][n]. With K16 also bit 8 of the masks, which masks the comparison's result.
// Masks are drawn 32 a block: block `t rows + row` is that of elements 32 t up of a row. One thread handles one.
struct Params { n: u32, rows: u32, sign: u32, n0: u32, n1: u32, n2: u32, m0: u32, m1: u32, m2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n], n a multiple of 8
#ifdef SHORT
@group(0) @binding(3) var<storage, read_write> msg: array<u32>; // [rows n / 8][4]
@group(0) @binding(4) var<storage, read_write> beta: array<u32>; // bits [n / 32 rounded up][rows]
#else
@group(0) @binding(3) var<storage, read_write> msg: array<Packed_msg>; // packed [rows][n]
#endif
#import thread
#import whole
#import prg
#import combine
#import load8(lam)

fn products(m: U, sign: U, one: U) -> U {
    let g0 = bit(m, 0u, one);
    let g1 = bit(m, 1u, one);
    let g2 = bit(m, 2u, one);
    let e1 = bit(m, 5u, one);
    let e2 = bit(m, 6u, one);
    let e3 = bit(m, 7u, one);
    let e32 = e3 & e2;
    let e31 = e3 & e1;
    let e21 = e2 & e1;
    let e321 = e32 & e1;
    var w = (e3 & g2) | (e32 << U(1u)) | ((e3 & g1) << U(2u)) | ((e2 & g1) << U(3u)) | ((e32 & g1) << U(4u));
    w |= (e31 << U(5u)) | ((e3 & g0) << U(6u)) | (e21 << U(7u)) | ((e2 & g0) << U(8u)) | ((e1 & g0) << U(9u));
    w |= (e321 << U(10u)) | ((e32 & g0) << U(11u)) | ((e31 & g0) << U(12u)) | ((e21 & g0) << U(13u));
    w |= ((e321 & g0) << U(14u)) | (sign << U(15u));
#ifdef HALF
    let e0 = bit(m, 4u, one);
    w |= ((e3 & e0) << U(16u)) | ((e2 & e0) << U(17u)) | ((e1 & e0) << U(18u));
    w |= ((e32 & e0) << U(19u)) | ((e31 & e0) << U(20u)) | ((e21 & e0) << U(21u)) | ((e321 & e0) << U(22u));
#endif
    return w;
}

#ifdef HALF
#import pack
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let block = t / p.rows;
    if (block * 32u >= p.n) { return; }
    let row = t - block * p.rows;
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
    let x = draw(0u, vec3<u32>(p.m0, p.m1, p.m2), t);
    let y = draw(1u, vec3<u32>(p.m0, p.m1, p.m2), t);
#ifdef SHORT
    let client = draw(0u, nonce, t);
    var word = 0u;
#endif
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * block + part;
        if (at < eights) {
            let m = shorts(x, part) ^ shorts(y, part);
            var l = load8_lam(at);
            let low = U(r_bit(l[0], p.sign), r_bit(l[2], p.sign), r_bit(l[4], p.sign), r_bit(l[6], p.sign));
            let high = U(r_bit(l[1], p.sign), r_bit(l[3], p.sign), r_bit(l[5], p.sign), r_bit(l[7], p.sign));
#ifdef SHORT
            let w = whole4(products(m, low | (high << U(16u)), U(0x10001u)) ^ shorts(client, part), at);
            let to = 4u * (row * eights + at);
            msg[to] = w.x;
            msg[to + 1u] = w.y;
            msg[to + 2u] = w.z;
            msg[to + 3u] = w.w;
            word |= gather8(m >> U(8u)) << (8u * part);
#else
            let a = products(m, low, U(1u));
            let b = products(m >> U(16u), high, U(1u));
            var s = part8(draw(0u, nonce, 2u * t + (part >> 1u)), part & 1u);
#each i 4
            s[2 * %i] = r_xor(s[2 * %i], r_of(a[%i]));
            s[2 * %i + 1] = r_xor(s[2 * %i + 1], r_of(b[%i]));
#end
            pack8(s, row * eights + at);
#endif
        }
    }
#ifdef SHORT
    beta[t] = word;
#endif
}
