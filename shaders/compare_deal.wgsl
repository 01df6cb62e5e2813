// Dealer's part of a comparison, leaves: for each element and each group of 4 digits of the mask's low window bits, the
// one-hot of every digit without value 0, ^ the client's stream, K bits in the wire format. With K60 digits are nibbles,
// digit q at bits 15 q; in smaller words they have 3 bits, digit q at bits 7 q, and there is one group. One thread handles
// 8 PARTS elements of all groups' elements one after another; n is a multiple of 8.
struct Params { n: u32, groups: u32, lo: u32, hi: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> msg: array<Packed_msg>; // packed [groups][n]
#import thread
#import prg
#import pack
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let eights = p.n / 8u;
    let count = eights * p.groups;
    if (t * PARTS >= count) { return; }
    let block = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), t);
    for (var part = 0u; part < PARTS; part++) {
        let at = t * PARTS + part;
        if (at < count) {
            let g = at / eights;
            var l = load8_lam(at - g * eights);
            var s = part8(block, part);
#each i 8
            {
                // The window without its sign bit.
                let low = r_low(r_shr(r_low(l[%i], p.hi), p.lo), p.hi - p.lo - 1u);
                // Digit 0 has no bit.
#ifdef K60
                let v = r_lo(r_shr(low, 16u * g)) & 0xffffu;
                let h0 = (1u << (v & 15u)) >> 1u;
                let h1 = (1u << ((v >> 4u) & 15u)) >> 1u;
                let h2 = (1u << ((v >> 8u) & 15u)) >> 1u;
                let h3 = (1u << (v >> 12u)) >> 1u;
                s[%i] = r_xor(s[%i], r_make(h0 | (h1 << 15u) | (h2 << 30u), (h2 >> 2u) | (h3 << 13u)));
#else
#ifdef K64
                let v = r_lo(r_shr(low, 7u * (g >> 1u))) & 127u;
                let bit = vec2<u32>(1u << (v & 31u));
                let hot = select(vec2<u32>(0u), bit, vec2<u32>(v >> 5u) == vec2<u32>(0u, 1u) + 2u * (g & 1u));
                s[%i] = r_xor(s[%i], r_make(hot.x, hot.y));
#else
                let v = r_lo(low);
                let h0 = (1u << (v & 7u)) >> 1u;
                let h1 = (1u << ((v >> 3u) & 7u)) >> 1u;
                let h2 = (1u << ((v >> 6u) & 7u)) >> 1u;
                let h3 = (1u << ((v >> 9u) & 7u)) >> 1u;
                s[%i] = r_xor(s[%i], r_of(h0 | (h1 << 7u) | (h2 << 14u) | (h3 << 21u)));
#endif
#endif
            }
#end
            pack8(s, at);
        }
    }
}
