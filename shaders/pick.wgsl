// End of a comparison with two digits (compare_wide.wgsl) whose bit is only multiplied with, one exchange less: with the
// opened byte m, b = sign(d) ^ sign(l) ^ g1 ^ e1 g0 is c ^ beta where c = sign(d) ^ m_g1 is public and beta one of four bits of
// the mask, by (m_e1, m_g0). Writes c, and own shares of beta M and beta as maximum.wgsl reads them. Dealt words are
// [n / 8][m_e1, m_g0][beta M, beta][8] of 16 bits: CLIENT draws them, the server has the dealer's message. One thread handles
// 32 elements; n is a multiple of 8.
struct Params { n: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
#ifdef CLIENT
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
#import draw
#endif
#ifdef SERVER
@group(0) @binding(1) var<storage, read> dealt: array<vec4<u32>>; // [n / 8][8]
#endif
@group(0) @binding(2) var<storage, read> mine: array<vec2<u32>>; // bytes [n]
@group(0) @binding(3) var<storage, read> theirs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> signs: array<u32>; // [n / 32 rounded up]
@group(0) @binding(5) var<storage, read_write> bits: array<u32>; // [n / 32 rounded up]
@group(0) @binding(6) var<storage, read_write> words: array<vec4<u32>>; // [n / 8][2]
#import thread
#import shorts
#import combine
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let one = U(0x10001u);
    var c = signs[t];
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
#ifdef CLIENT
            let x = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), 2u * at);
            let y = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), 2u * at + 1u);
#each i 4
            let w%i = shorts(x, %iu);
            let v%i = shorts(y, %iu);
#end
#else
#each i 4
            let w%i = dealt[8u * at + %iu];
            let v%i = dealt[8u * at + 4u + %iu];
#end
#endif
            let opened = mine[at] ^ theirs[at];
            let m = bytes(opened.x, opened.y);
            let g = bit(m, 0u, one) * U(0xffffu);
            let e = bit(m, 5u, one) * U(0xffffu);
            words[2u * at] = (~e & ((~g & w0) | (g & w2))) | (e & ((~g & v0) | (g & v2)));
            words[2u * at + 1u] = (~e & ((~g & w1) | (g & w3))) | (e & ((~g & v1) | (g & v3)));
            c ^= gather8(m >> U(1u)) << (8u * part);
        }
    }
    bits[t] = c;
}
