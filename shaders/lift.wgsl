// Share of the signed value behind an opened wire, in a larger ring (protocol "lift"):
//   h = 2^(k-2), d = delta + h mod 2^k, out = d - h - lam + 2^k (wrap + (1 - msb d) t)
// with a share of wrap, the carry of lam0 + lam1, and of t, the mask's top bit, in K bits (lift_deal.wgsl): CLIENT draws it,
// the server has the dealer's message. The client adds the public part. One thread handles 16 elements; the first one is
// thread `block` of the stream.
struct Params { n: u32, k: u32, n0: u32, n1: u32, n2: u32, block: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n] own share of the mask
#ifdef CLIENT
@group(0) @binding(3) var<storage, read> keys: array<vec4<u32>>;
#import prg
#endif
#ifdef SERVER
@group(0) @binding(3) var<storage, read> dealt: array<Packed_dealt>; // packed [n / 8 rounded up][2][8]
#import unpack(dealt)
#endif
@group(0) @binding(4) var<storage, read_write> out: array<V>; // [n]
#import thread
#import load8(delta)
#import load8(lam)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let h = r_shl(r_of(1u), p.k - 2u);
#ifdef CLIENT
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
    let first = (p.block + t) * (4u / PARTS);
#endif
#each q 2
    if (16u * t + 8u * %qu < p.n) {
        let at = 2u * t + %qu;
#ifdef CLIENT
        var w = part8(draw(0u, nonce, first + 2u * %qu / PARTS), 2u * %qu % PARTS);
        var s = part8(draw(0u, nonce, first + (2u * %qu + 1u) / PARTS), (2u * %qu + 1u) % PARTS);
#else
        var w = unpack8_dealt(2u * at);
        var s = unpack8_dealt(2u * at + 1u);
#endif
        var v = load8_delta(at);
        var l = load8_lam(at);
        for (var i = 0u; i < 8u; i++) {
            let d = r_low(r_add(v[i], h), p.k);
            let keep = r_neg(r_of(1u - r_bit(d, p.k - 1u)));
            v[i] = r_sub(r_shl(r_add(w[i], r_and(s[i], keep)), p.k), l[i]);
#ifdef CLIENT
            v[i] = r_add(v[i], r_sub(d, h));
#endif
        }
        store8_out(at, v);
    }
#end
}
