// End of a tournament's level, fused with the opening of its winners, in a ring of 16 bits: from the bits c = [a < b] ^ beta of
// the pairs (shared/pairs.wgsl), own shares of beta and beta M, M the mask of the difference d of the opened values,
//   winner = b + ind (d - M), ind = q + (1 - 2 q) beta, q = 1 - c      out = 16 random bits      msg = winner + out mod 2^16
// Opened values and own masks are those of 24 bits that `delta` and `lam` hold, without the lowest `shift`. Dealt words are
// [n / 8][beta M, beta][8]: CLIENT draws them, the server has the dealer's message. One thread handles 32 elements.
struct Params {
    n: u32, half: u32, width: u32, shift: u32, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
#ifdef EIGHTS
@group(0) @binding(2) var<storage, read> delta: array<V>; // [n / half][width]
@group(0) @binding(3) var<storage, read> lam: array<V>; // own share of the mask, as delta
#else
@group(0) @binding(2) var<storage, read> delta: array<R>; // [n / half][width]
@group(0) @binding(3) var<storage, read> lam: array<R>; // own share of the mask, as delta
#endif
@group(0) @binding(4) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
#ifdef SERVER
@group(0) @binding(5) var<storage, read> dealt: array<vec4<u32>>; // [n / 8 rounded up][2]
#endif
@group(0) @binding(6) var<storage, read_write> out: array<V>; // [n] own share of the winners' masks
@group(0) @binding(7) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8 rounded up]
#import thread
#import draw
#import eights
#import chosen
#import coarse
#import pairs(delta)
#import pairs(lam)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let public_part = 0u - p.first;
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    let second = p.width - p.half;
    let q = ~bits[t];
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
#ifdef CLIENT
            let block = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at / 2u);
            var product = spread(shorts(block, 2u * (at % 2u)));
            var beta = spread(shorts(block, 2u * (at % 2u) + 1u));
#else
            var product = spread(dealt[2u * at]);
            var beta = spread(dealt[2u * at + 1u]);
#endif
            var a = pairs8_delta(at, 0u);
            var b = pairs8_delta(at, second);
            var x = pairs8_lam(at, 0u);
            var y = pairs8_lam(at, second);
            var v = spread(shorts(masks, part));
#each i 8
            {
                let opened = coarse(b[%i]);
                let mask = coarse(y[%i]);
                let d = coarse(a[%i]) - opened;
                let on = 0u - ((q >> (8u * part + %iu)) & 1u);
                let gain = chosen(d, coarse(x[%i]) - mask, beta[%i], product[%i], on, public_part);
                a[%i] = r_of(v[%i]);
                v[%i] += (opened & public_part) - mask + gain;
                if (at * 8u + %iu >= p.n) { v[%i] = 0u; }
            }
#end
            store8_out(at, a);
            msg[at] = joined(v, at);
        }
    }
}
