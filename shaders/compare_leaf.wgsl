// Leaves of a comparison [x < T]: for each threshold, group and element the masked byte (g0..g3, e0..e3) ^ mask where
// g = [d < l] and e = [d = l] for each nibble of the window of d = delta - T and of the mask l, read off the dealt
// one-hots. One thread writes 4 bytes, instances (threshold, group, element) with the element fastest, padded to 4.
struct Params { n: u32, groups: u32, count: u32, lo: u32, hi: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<R>; // [n]
@group(0) @binding(2) var<storage, read> thresholds: array<R>; // [count / groups / n]
@group(0) @binding(3) var<storage, read> leaves: array<R>; // [groups][n]
@group(0) @binding(4) var<storage, read> masks: array<R>; // [count]
@group(0) @binding(5) var<storage, read_write> msg: array<u32>; // [count / 4 rounded up]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 4u >= p.count) { return; }
    var word = 0u;
    for (var b = 0u; b < 4u; b++) {
        let i = t * 4u + b;
        if (i < p.count) {
            let at = i % p.n;
            let group = (i / p.n) % p.groups;
            let d = r_low(r_shr(r_low(r_sub(delta[at], thresholds[i / (p.n * p.groups)]), p.hi), p.lo), p.hi - p.lo - 1u);
            let v = r_lo(r_shr(d, 16u * group)) & 0xffffu;
            let leaf = leaves[group * p.n + at];
            var byte = 0u;
            for (var q = 0u; q < 4u; q++) {
                let hot = r_lo(r_shr(leaf, 15u * q)) & 0x7fffu;
                let nibble = (v >> (4u * q)) & 15u;
                let g = countOneBits(hot >> nibble) & 1u;
                var e = p.first ^ (countOneBits(hot) & 1u);
                if (nibble != 0u) { e = (hot >> (nibble - 1u)) & 1u; }
                byte |= (g << q) | (e << (4u + q));
            }
            word |= (byte ^ (r_lo(masks[i]) & 0xffu)) << (8u * b);
        }
    }
    msg[t] = word;
}
