// Dealer's words for maximum.wgsl, in its order, less the client's stream: beta M and beta, for the masks M of differences
// and beta of bits. One thread handles 8 elements; n is a multiple of 8.
struct Params { n: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
@group(0) @binding(4) var<storage, read_write> msg: array<u32>; // [n / 8][2][K / 4]
#import thread
#import prg
#import pack
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let client = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), t);
    let on = bits[t / 4u] >> (8u * (t % 4u));
    var l = load8_lam(t);
    var product = part8(client, 0u);
    var beta = part8(client, 1u);
    for (var i = 0u; i < 8u; i++) {
        let b = r_of((on >> i) & 1u);
        product[i] = r_sub(r_and(l[i], r_neg(b)), product[i]);
        beta[i] = r_sub(b, beta[i]);
    }
    pack8(product, 2u * t);
    pack8(beta, 2u * t + 1u);
}
