// Middle of a comparison over more than 16 low bits: combines each group's opened byte to (less, equal) and packs the
// groups' bits, masked again, as the byte of a second level. One thread writes 4 bytes.
struct Params { n: u32, groups: u32, count: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mine: array<u32>; // bytes [thresholds][groups][n]
@group(0) @binding(2) var<storage, read> theirs: array<u32>;
@group(0) @binding(3) var<storage, read> masks: array<R>; // [thresholds][groups][n]
@group(0) @binding(4) var<storage, read> products: array<R>; // [thresholds][groups][n]
@group(0) @binding(5) var<storage, read> next: array<R>; // [count] masks of the second level
@group(0) @binding(6) var<storage, read_write> msg: array<u32>; // bytes [count], count = thresholds * n
#import thread
#import ring
#import combine
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 4u >= p.count) { return; }
    var word = 0u;
    for (var b = 0u; b < 4u; b++) {
        let i = t * 4u + b;
        if (i < p.count) {
            // Groups that do not exist are equal.
            var byte = (0xf0u << p.groups) & 0xf0u;
            if (p.first == 0u) { byte = 0u; }
            for (var g = 0u; g < p.groups; g++) {
                let at = ((i / p.n) * p.groups + g) * p.n + i % p.n;
                let opened = ((mine[at / 4u] ^ theirs[at / 4u]) >> (8u * (at % 4u))) & 0xffu;
                let s = combine(opened, r_lo(masks[at]), r_lo(products[at]), p.first);
                byte |= ((s & 1u) << g) | ((s >> 1u) << (4u + g));
            }
            word |= (byte ^ (r_lo(next[i]) & 0xffu)) << (8u * b);
        }
    }
    msg[t] = word;
}
