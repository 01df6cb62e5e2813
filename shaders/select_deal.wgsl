// Dealer's words for select.wgsl, in its order, less the client's stream: beta M and beta, for the masks M of y, which are
// drawn, and beta of bits. One thread handles 32 elements; n is a multiple of 8.
struct Params { n: u32, y0: u32, y1: u32, y2: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
@group(0) @binding(3) var<storage, read_write> msg: array<vec4<u32>>; // [n / 8][2]
#import thread
#import draw
#import eights
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let first = draw(0u, vec3<u32>(p.y0, p.y1, p.y2), t);
    let second = draw(1u, vec3<u32>(p.y0, p.y1, p.y2), t);
    let on = bits[t];
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var a = spread(shorts(first, part));
            var b = spread(shorts(second, part));
            let client = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at / 2u);
            var product = spread(shorts(client, 2u * (at % 2u)));
            var beta = spread(shorts(client, 2u * (at % 2u) + 1u));
#each i 8
            {
                let bit = (on >> (8u * part + %iu)) & 1u;
                product[%i] = ((a[%i] + b[%i]) & (0u - bit)) - product[%i];
                beta[%i] = bit - beta[%i];
            }
#end
            msg[2u * at] = joined(product, at);
            msg[2u * at + 1u] = joined(beta, at);
        }
    }
}
