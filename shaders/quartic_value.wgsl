// A quartic's value (protocol "quartic"), fused with its opening: from the messages of w = u - M in a ring of k bits, 15
// or 16, read as a signed number, and the opened wire x of 24 bits,
//   v = ((w^2 + b w + c + 2^8 d x + add) mod 2^R) >> cut, R = 16 + cut      msg = v + 16 random bits mod 2^16
// With h = a quarter of the ring and e = u + h: M is the mask or, where the top bit of e is clear, the mask - 2^k t. Dealt:
// `squares`, shares of (mask of w)^2 mod 2^32, and `words` of 16 bits, [n / 32 rounded up][3][32]: the carry of the mask's
// shares, t, and t (mask - 2^(k-1)). Own masks of w are drawn again. The first party adds the public part. CLIENT draws what
// is dealt, the server has the dealer's messages. One thread handles 32 elements, in whole groups of 8.
struct Params {
    n: u32, first: u32, k: u32, b: u32, c: u32, d: u32, cut: u32, add: u32, w0: u32, w1: u32, w2: u32, m0: u32, m1: u32,
    m2: u32, q0: u32, q1: u32, q2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> mine: array<vec4<u32>>; // [n / 8]
@group(0) @binding(3) var<storage, read> theirs: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> delta: array<V>; // [n] of x
@group(0) @binding(5) var<storage, read> lam: array<V>; // [n] own share of the mask of x
#ifdef SERVER
@group(0) @binding(6) var<storage, read> squares: array<vec4<u32>>; // [n / 4]
@group(0) @binding(7) var<storage, read> words: array<vec4<u32>>; // [n / 32 rounded up][3][4]
#endif
@group(0) @binding(8) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8]
#import thread
#import draw
#import eights
#import load8(delta)
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let own = draw(1u - p.first, vec3<u32>(p.w0, p.w1, p.w2), t);
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
#ifdef CLIENT
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
    let carries = draw(0u, nonce, 3u * t);
    let tops = draw(0u, nonce, 3u * t + 1u);
    let products = draw(0u, nonce, 3u * t + 2u);
#endif
    let public_part = 0u - p.first;
    let ring = (1u << p.k) - 1u;
    let quarter = 1u << (p.k - 2u);
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var w = spread(mine[at]);
            var other = spread(theirs[at]);
            var l = spread(shorts(own, part));
            var ux = load8_delta(at);
            var lx = load8_lam(at);
#ifdef CLIENT
            var square = halves(draw(0u, vec3<u32>(p.q0, p.q1, p.q2), at / 2u), at % 2u);
            var carry = spread(shorts(carries, part));
            var top = spread(shorts(tops, part));
            var product = spread(shorts(products, part));
#else
            let s0 = squares[2u * at];
            let s1 = squares[2u * at + 1u];
            var square = array<u32, 8>(s0.x, s0.y, s0.z, s0.w, s1.x, s1.y, s1.z, s1.w);
            var carry = spread(words[12u * t + part]);
            var top = spread(words[12u * t + 4u + part]);
            var product = spread(words[12u * t + 8u + part]);
#endif
            var v = spread(shorts(masks, part));
#each i 8
            {
                let e = (w[%i] + other[%i] + quarter) & ring;
                let keep = (e >> (p.k - 1u)) - 1u;
                let u = e - quarter;
                let m = (l[%i] & ring) - ((carry[%i] + (top[%i] & keep)) << p.k);
                let m2 = square[%i] - ((product[%i] & keep) << (p.k + 1u));
                let open_ = (u * u + p.b * u + p.c + ((p.d * r_lo(ux[%i])) << 8u)) & public_part;
                let s = open_ - (2u * u + p.b) * m + m2 - ((p.d * r_lo(lx[%i])) << 8u);
                // The higher bits of a smaller ring fall off with those of the message.
                v[%i] += (s + p.add) >> p.cut;
            }
#end
            msg[at] = joined(v, at);
        }
    }
}
