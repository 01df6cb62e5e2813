// Dealer's words for lift.wgsl: eight carries of the sums of both masks, bit k, then their eight top bits, bit k - 1, and so
// on, less the client's stream, K bits in the wire format. One thread handles 16 elements; the first one is thread `block` of
// the stream.
struct Params { n: u32, k: u32, n0: u32, n1: u32, n2: u32, block: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lam: array<V>; // [n] the sum of both masks
@group(0) @binding(3) var<storage, read_write> msg: array<Packed_msg>; // packed [n / 8 rounded up][2][8]
#import thread
#import prg
#import pack
#import load8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
    let first = (p.block + t) * (4u / PARTS);
#each q 2
    if (16u * t + 8u * %qu < p.n) {
        let at = 2u * t + %qu;
        var w = part8(draw(0u, nonce, first + 2u * %qu / PARTS), 2u * %qu % PARTS);
        var s = part8(draw(0u, nonce, first + (2u * %qu + 1u) / PARTS), (2u * %qu + 1u) % PARTS);
        var l = load8_lam(at);
        for (var i = 0u; i < 8u; i++) {
            w[i] = r_sub(r_of(r_bit(l[i], p.k)), w[i]);
            s[i] = r_sub(r_of(r_bit(l[i], p.k - 1u)), s[i]);
            // Elements beyond the end are sent as zeros.
            if (8u * at + i >= p.n) { w[i] = r_zero(); s[i] = r_zero(); }
        }
        pack8(w, 2u * at);
        pack8(s, 2u * at + 1u);
    }
#end
}
