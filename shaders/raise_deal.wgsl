// Dealer's words for raise.wgsl, K = 2 (ring - 16) bits, less the client's stream: the carry of the two masks of 16 bits,
// which are drawn, in the low half, and the top bit of their sum in the high half; each half modulo its own size. One thread
// handles 32 elements; n is a multiple of 8.
struct Params { n: u32, y0: u32, y1: u32, y2: u32, n0: u32, n1: u32, n2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> msg: array<Packed_msg>; // packed [n]
#import thread
#import prg
#import eights
#import pack
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.n) { return; }
    let first = draw(0u, vec3<u32>(p.y0, p.y1, p.y2), t);
    let second = draw(1u, vec3<u32>(p.y0, p.y1, p.y2), t);
    for (var part = 0u; part < 4u; part++) {
        let at = 4u * t + part;
        if (at * 8u < p.n) {
            var a = spread(shorts(first, part));
            var b = spread(shorts(second, part));
            var v = part8(draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at), 0u);
#each i 8
            {
                let sum = a[%i] + b[%i];
                let carry = r_low(r_sub(r_of(sum >> 16u), v[%i]), K / 2u);
                let top = r_sub(r_of((sum >> 15u) & 1u), r_shr(v[%i], K / 2u));
                v[%i] = r_add(carry, r_shl(top, K / 2u));
            }
#end
            pack8(v, at);
        }
    }
}
