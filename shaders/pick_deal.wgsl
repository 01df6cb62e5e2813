// Dealer's words for pick.wgsl, in its order, less the client's stream: for each (m_e1, m_g0) beta M and
// beta = sign(l) ^ a_g1 ^ (m_e1 ^ a_e1) (m_g0 ^ a_g0), M the mask of which l is the window and `sign` its last bit, a the mask
// byte of its comparison, drawn as in compare_products.wgsl. One thread handles 32 elements; n is a multiple of 8.
struct Params { n: u32, sign: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8][8]
#import thread
#import draw
#import eights
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let first = draw(0u, vec3<u32>(p.m0, p.m1, p.m2), t);
    let second = draw(1u, vec3<u32>(p.m0, p.m1, p.m2), t);
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var a = spread(shorts(first, part) ^ shorts(second, part));
            var l = load8_lam(at);
#each j 2
            {
                let client = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), 2u * at + %ju);
#each k 2
                {
                    var product = spread(shorts(client, 2u * %ku));
                    var beta = spread(shorts(client, 2u * %ku + 1u));
                    for (var i = 0u; i < 8u; i++) {
                        let both = ((a[i] >> 5u) ^ %ju) & (a[i] ^ %ku);
                        let bit = (r_bit(l[i], p.sign) ^ (a[i] >> 1u) ^ both) & 1u;
                        product[i] = (r_lo(l[i]) & (0u - bit)) - product[i];
                        beta[i] = bit - beta[i];
                    }
                    msg[8u * at + 4u * %ju + 2u * %ku] = joined(product, at);
                    msg[8u * at + 4u * %ju + 2u * %ku + 1u] = joined(beta, at);
                }
#end
            }
#end
        }
    }
}
