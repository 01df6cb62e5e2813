// Dealer's words for quartic_square.wgsl (`msg`, 24 bits) and quartic_value.wgsl (`squares`, `words`), in their order, less
// the client's streams, from the mask of x and the masks of w in a ring of k bits, which are drawn. One thread handles 32 elements; n is a
// multiple of 8.
struct Params {
    n: u32, k: u32, w0: u32, w1: u32, w2: u32, s0: u32, s1: u32, s2: u32, q0: u32, q1: u32, q2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> msg: array<Packed_msg>; // packed [n], 24 bits
@group(0) @binding(4) var<storage, read_write> squares: array<vec4<u32>>; // [n / 4]
@group(0) @binding(5) var<storage, read_write> words: array<vec4<u32>>; // [n / 32 rounded up][3][4]
#import thread
#import draw
#import eights
#import pack
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let first = draw(0u, vec3<u32>(p.w0, p.w1, p.w2), t);
    let second = draw(1u, vec3<u32>(p.w0, p.w1, p.w2), t);
    let ring = (1u << p.k) - 1u;
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
    let carries = draw(0u, nonce, 3u * t);
    let tops = draw(0u, nonce, 3u * t + 1u);
    let products = draw(0u, nonce, 3u * t + 2u);
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        var a = spread(shorts(first, part));
        var b = spread(shorts(second, part));
        var carry = spread(shorts(carries, part));
        var top = spread(shorts(tops, part));
        var product = spread(shorts(products, part));
        var m: array<u32, 8>;
#each i 8
        {
            let sum = (a[%i] & ring) + (b[%i] & ring);
            m[%i] = sum & ring;
            let high = m[%i] >> (p.k - 1u);
            carry[%i] = (sum >> p.k) - carry[%i];
            top[%i] = high - top[%i];
            product[%i] = ((m[%i] - (high << (p.k - 1u))) & (0u - high)) - product[%i];
        }
#end
        words[12u * t + part] = joined(carry, at);
        words[12u * t + 4u + part] = joined(top, at);
        words[12u * t + 8u + part] = joined(product, at);
        if (at * 8u < p.n) {
            var l = load8_lam(at);
            var inner = halves(draw(0u, vec3<u32>(p.s0, p.s1, p.s2), at / 2u), at % 2u);
            var outer = halves(draw(0u, vec3<u32>(p.q0, p.q1, p.q2), at / 2u), at % 2u);
#each i 8
            l[%i] = r_of(r_lo(l[%i]) * r_lo(l[%i]) - inner[%i]);
            outer[%i] = m[%i] * m[%i] - outer[%i];
#end
            pack8(l, at);
            squares[2u * at] = whole4(vec4<u32>(outer[0], outer[1], outer[2], outer[3]), at);
            squares[2u * at + 1u] = whole4(vec4<u32>(outer[4], outer[5], outer[6], outer[7]), at);
        }
    }
}
