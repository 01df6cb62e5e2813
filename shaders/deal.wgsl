// The dealer's correction for the server: msg = c - PRG(client) mod 2^k, so that the client's share is its own PRG stream.
// One thread handles 8 PARTS elements, a block of the stream; the first one is block `block`.
struct Params { n: u32, k: u32, n0: u32, n1: u32, n2: u32, block: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> c: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> msg: array<Packed_msg>; // packed [n]
#import thread
#import prg
#import pack
#import load8(c)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u * PARTS >= p.n) { return; }
    let block = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), p.block + t);
    for (var part = 0u; part < PARTS; part++) {
        let at = t * PARTS + part;
        if (at * 8u < p.n) {
            var l = part8(block, part);
            var s = load8_c(at);
            for (var i = 0u; i < 8u; i++) {
                s[i] = r_sub(s[i], l[i]);
                if (at * 8u + i >= p.n) { s[i] = r_zero(); }
            }
            pack8(s, at);
        }
    }
}
