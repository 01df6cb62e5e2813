// A wire of 16 bits, lifted to a ring of K and opened there: from the messages of y = u - M, read as a signed number,
//   out = u - M + 2^16 (carry + (1 - msb e) t), e = u + 2^14      lam = K random bits      msg = out + lam mod 2^K
// Dealt words of 2 (K - 16) bits hold shares of the carry of the mask's halves, low, and of t, the mask's top bit. Own masks
// of y are drawn again. The first party adds the public part. CLIENT draws what is dealt, the server has the dealer's
// message. One thread handles 32 elements, in whole groups of 8.
struct Params {
    n: u32, first: u32, y0: u32, y1: u32, y2: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> mine: array<vec4<u32>>; // [n / 8]
@group(0) @binding(3) var<storage, read> theirs: array<vec4<u32>>;
#ifdef SERVER
@group(0) @binding(4) var<storage, read> dealt: array<Packed_dealt>; // packed [n]
#ifdef K36
#import unpack(dealt 40)
#endif
#ifdef K40
#import unpack(dealt 48)
#endif
#ifdef K44
#import unpack(dealt 56)
#endif
#ifdef K48
#import unpack(dealt 64)
#endif
#endif
@group(0) @binding(5) var<storage, read_write> lam: array<V>; // [n]
@group(0) @binding(6) var<storage, read_write> msg: array<Packed_msg>; // packed [n]
#import thread
#import prg
#import eights
#import pack
#import store8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let own = draw(1u - p.first, vec3<u32>(p.y0, p.y1, p.y2), t);
    let public_part = r_neg(r_of(p.first));
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var u = spread(mine[at]);
            var other = spread(theirs[at]);
            var l = spread(shorts(own, part));
#ifdef CLIENT
            var word = part8(draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at), 0u);
#else
            var word = unpack8_dealt(at);
#endif
            var mask = part8(draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), at), 0u);
            var v = mask;
#each i 8
            {
                let e = (u[%i] + other[%i] + 0x4000u) & 0xffffu;
                let keep = r_neg(r_of(1u - (e >> 15u)));
                let high = r_add(word[%i], r_and(r_shr(word[%i], K - 16u), keep));
                let open_ = r_and(r_sub(r_of(e), r_of(0x4000u)), public_part);
                mask[%i] = r_low(mask[%i], K);
                v[%i] = r_add(r_add(r_sub(open_, r_of(l[%i])), r_shl(high, 16u)), mask[%i]);
            }
#end
            store8_lam(at, mask);
            pack8(v, at);
        }
    }
}
