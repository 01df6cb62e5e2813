// A quartic's inner square (protocol "quartic"), fused with its opening: from the opened wire x = u - M in a ring of 24
// bits, the own share of M and dealt shares of M^2 mod 2^24
//   v = ((u^2 + c1 u + c0) - (2 u + c1) M + M^2 + add mod 2^24) >> cut      msg = v + 16 random bits mod 2^16
// The first party adds the public part. CLIENT draws the dealt words, the server has the dealer's message. One thread
// handles 32 elements, a block of masks; buffers hold whole groups of 8.
struct Params {
    n: u32, first: u32, c0: u32, c1: u32, cut: u32, add: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(3) var<storage, read> lam: array<V>; // [n] own share of the mask
#ifdef SERVER
@group(0) @binding(4) var<storage, read> dealt: array<Packed_dealt>; // packed [n], 24 bits
#import unpack(dealt)
#endif
@group(0) @binding(5) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8], 16 bits an element
#import thread
#import draw
#import eights
#import load8(delta)
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    let public_part = 0u - p.first;
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var u = load8_delta(at);
            var l = load8_lam(at);
#ifdef CLIENT
            var square = halves(draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at / 2u), at % 2u);
#else
            var square = unpack8_dealt(at);
#endif
            var v = spread(shorts(masks, part));
#each i 8
            {
                let x = r_lo(u[%i]);
                let open_ = (x * x + p.c1 * x + p.c0) & public_part;
#ifdef CLIENT
                let s = open_ - (2u * x + p.c1) * r_lo(l[%i]) + square[%i];
#else
                let s = open_ - (2u * x + p.c1) * r_lo(l[%i]) + r_lo(square[%i]);
#endif
                v[%i] += ((s + p.add) & 0xffffffu) >> p.cut;
            }
#end
            msg[at] = joined(v, at);
        }
    }
}
