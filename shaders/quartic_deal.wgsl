// Dealer's words for quartic_square.wgsl (`msg`, 24 bits) and quartic_value.wgsl (`squares`, `words`), in their order, less
// the client's streams, from the mask of x and the masks of w in a ring of k bits, which are drawn. One thread handles 32 elements; n is a
// multiple of 8.
struct Params {
    n: u32, k: u32, w0: u32, w1: u32, w2: u32, s0: u32, s1: u32, s2: u32, q0: u32, q1: u32, q2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> msg: array<u32>; // [n / 8][6]
@group(0) @binding(4) var<storage, read_write> squares: array<vec4<u32>>; // [n / 4]
@group(0) @binding(5) var<storage, read_write> words: array<vec4<u32>>; // [n / 8][4]
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
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var a = spread(shorts(first, part));
            var b = spread(shorts(second, part));
            var l = load8_lam(at);
            var inner = halves(draw(0u, vec3<u32>(p.s0, p.s1, p.s2), at / 2u), at % 2u);
            var outer = halves(draw(0u, vec3<u32>(p.q0, p.q1, p.q2), at / 2u), at % 2u);
            let client = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at);
            var carry = spread(client.a);
            var top = spread(client.b);
            var product = spread(client.c);
            var pair = spread(client.d);
#each i 8
            {
                let x = r_lo(l[%i]);
                l[%i] = r_of(x * x - inner[%i]);
                let sum = (a[%i] & ring) + (b[%i] & ring);
                let m = sum & ring;
                let high = m >> (p.k - 1u);
                outer[%i] = m * m - outer[%i];
                carry[%i] = (sum >> p.k) - carry[%i];
                top[%i] = high - top[%i];
                product[%i] = ((m - (high << (p.k - 1u))) & (0u - high)) - product[%i];
                let low_byte = ((x >> 24u) - pair[%i]) & 0xffu;
                pair[%i] = low_byte | ((((x >> 23u) & 1u) - (pair[%i] >> 8u)) << 8u);
            }
#end
            pack8(l, at);
            squares[2u * at] = vec4<u32>(outer[0], outer[1], outer[2], outer[3]);
            squares[2u * at + 1u] = vec4<u32>(outer[4], outer[5], outer[6], outer[7]);
            words[4u * at] = joined(carry);
            words[4u * at + 1u] = joined(top);
            words[4u * at + 2u] = joined(product);
            words[4u * at + 3u] = joined(pair);
        }
    }
}
