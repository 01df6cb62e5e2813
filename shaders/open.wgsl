// First half of an opening, fused: truncate the share, draw the mask, add it, pack for the wire.
//   v = ((x + add) mod 2^from) >> shift      lam = k random bits      msg = v + lam mod 2^k
// With MINUS: msg = v - lam mod 2^k (the client's side of a linear layer). One thread handles 8 PARTS elements,
// a block of the stream; the first one is block `block`.
struct Params { n: u32, k: u32, from_: u32, shift: u32, key: u32, n0: u32, n1: u32, n2: u32, block: u32, add: vec2<u32> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<V>; // [n]
@group(0) @binding(3) var<storage, read_write> lam: array<V>; // [n]
@group(0) @binding(4) var<storage, read_write> msg: array<Packed_msg>; // packed [n]
#import thread
#import prg
#import pack
#import load8(x)
#import store8(lam)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u * PARTS >= p.n) { return; }
    let block = draw(p.key, vec3<u32>(p.n0, p.n1, p.n2), p.block + t);
    let whole = r_low(r_neg(r_of(1u)), p.from_);
    let add = r_param(p.add);
    for (var part = 0u; part < PARTS; part++) {
        let at = t * PARTS + part;
        if (at * 8u < p.n) {
            var l = part8(block, part);
            var v = load8_x(at);
            for (var i = 0u; i < 8u; i++) {
                l[i] = r_low(l[i], K);
                let cut = r_shr(r_and(r_add(v[i], add), whole), p.shift);
#ifdef MINUS
                v[i] = r_sub(cut, l[i]);
#else
                v[i] = r_add(cut, l[i]);
#endif
                // Elements beyond the end are sent as zeros.
                if (at * 8u + i >= p.n) { v[i] = r_zero(); }
            }
            store8_lam(at, l);
            pack8(v, at);
        }
    }
}
