// End of a comparison: own share of [x < T] = sign(d) ^ sign(l) ^ less, masked by bit 8 of the instance's mask word, one
// bit an element. One thread writes 32 bits.
struct Params { n: u32, count: u32, hi: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mine: array<u32>; // bytes [count]
@group(0) @binding(2) var<storage, read> theirs: array<u32>;
@group(0) @binding(3) var<storage, read> masks: array<R>; // [count]
@group(0) @binding(4) var<storage, read> products: array<R>; // [count]
@group(0) @binding(5) var<storage, read> delta: array<R>; // [n]
@group(0) @binding(6) var<storage, read> thresholds: array<R>; // [count / n]
@group(0) @binding(7) var<storage, read_write> msg: array<u32>; // bits [count]
#import thread
#import ring
#import combine
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 32u >= p.count) { return; }
    var word = 0u;
    for (var b = 0u; b < 32u; b++) {
        let i = t * 32u + b;
        if (i < p.count) {
            let opened = ((mine[i / 4u] ^ theirs[i / 4u]) >> (8u * (i % 4u))) & 0xffu;
            let w = r_lo(products[i]);
            let m = r_lo(masks[i]);
            var bit = (combine(opened, m, w, p.first) & 1u) ^ ((w >> 15u) & 1u) ^ ((m >> 8u) & 1u);
            if (p.first == 1u) { bit ^= r_bit(r_sub(delta[i % p.n], thresholds[i / p.n]), p.hi - 1u); }
            word |= bit << b;
        }
    }
    msg[t] = word;
}
