// Own share of [x >= T] y, opened: from the messages of y = u - M, the opened bits c = [x < T] ^ beta and dealt shares of beta
// and beta M, [n / 8][beta M, beta][8], all of 16 bits,
//   v = ind (u - M), ind = q + (1 - 2 q) beta, q = 1 - c      msg = v + 16 random bits mod 2^16
// Own masks of y are drawn again. The first party adds the public part. CLIENT draws what is dealt, the server has the
// dealer's message. One thread handles 32 elements, in whole groups of 8.
struct Params {
    n: u32, first: u32, y0: u32, y1: u32, y2: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> mine: array<vec4<u32>>; // [n / 8]
@group(0) @binding(3) var<storage, read> theirs: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
#ifdef SERVER
@group(0) @binding(5) var<storage, read> dealt: array<vec4<u32>>; // [n / 8][2]
#endif
@group(0) @binding(6) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8]
#import thread
#import draw
#import eights
#import chosen
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let own = draw(1u - p.first, vec3<u32>(p.y0, p.y1, p.y2), t);
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    let public_part = 0u - p.first;
    let q = ~bits[t];
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var u = spread(mine[at]);
            var other = spread(theirs[at]);
            var l = spread(shorts(own, part));
#ifdef CLIENT
            let block = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at / 2u);
            var product = spread(shorts(block, 2u * (at % 2u)));
            var beta = spread(shorts(block, 2u * (at % 2u) + 1u));
#else
            var product = spread(dealt[2u * at]);
            var beta = spread(dealt[2u * at + 1u]);
#endif
            var v = spread(shorts(masks, part));
#each i 8
            {
                let on = 0u - ((q >> (8u * part + %iu)) & 1u);
                v[%i] += chosen(u[%i] + other[%i], l[%i], beta[%i], product[%i], on, public_part);
            }
#end
            msg[at] = joined(v, at);
        }
    }
}
