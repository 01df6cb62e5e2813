// msg = (x >> shift) mod 2^k in the wire format, for words that are uniform already. One thread handles 8 elements.
struct Params { n: u32, k: u32, shift: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<V>; // [n]
@group(0) @binding(2) var<storage, read_write> msg: array<Packed_msg>; // packed [n]
#import thread
#import pack
#import load8(x)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    var s = load8_x(t);
    for (var i = 0u; i < 8u; i++) {
        s[i] = r_shr(s[i], p.shift);
        if (t * 8u + i >= p.n) { s[i] = r_zero(); }
    }
    pack8(s, t);
}
