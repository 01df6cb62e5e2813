// Dealer's words for maximum.wgsl, in its order, less the client's stream: beta M and beta, for the masks M of differences
// and beta of bits. One thread handles 16 elements; n is a multiple of 8.
struct Params { n: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
@group(0) @binding(4) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8][2]
#import thread
#import draw
#import eights
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 16u >= p.n) { return; }
    let client = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), t);
    let on = bits[t / 2u] >> (16u * (t % 2u));
    for (var part = 0u; part < 2u; part++) {
        let at = 2u * t + part;
        if (at * 8u < p.n) {
            var l = load8_lam(at);
            var product = spread(shorts(client, 2u * part));
            var beta = spread(shorts(client, 2u * part + 1u));
#each i 8
            {
                let bit = (on >> (8u * part + %iu)) & 1u;
                product[%i] = (r_lo(l[%i]) & (0u - bit)) - product[%i];
                beta[%i] = bit - beta[%i];
            }
#end
            msg[2u * at] = joined(product, at);
            msg[2u * at + 1u] = joined(beta, at);
        }
    }
}
