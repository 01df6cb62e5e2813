// Dealer's part of a comparison, leaves: for each element and each group of 4 nibbles of the mask's low window bits, the
// one-hot of every nibble without value 0, nibble q at bits 15 q. One thread per (group, element).
struct Params { n: u32, groups: u32, lo: u32, hi: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<R>; // [n]
@group(0) @binding(2) var<storage, read_write> out: array<R>; // [groups][n]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n * p.groups) { return; }
    let g = t / p.n;
    // The window without its sign bit.
    let low = r_low(r_shr(r_low(lam[t % p.n], p.hi), p.lo), p.hi - p.lo - 1u);
    let v = r_lo(r_shr(low, 16u * g)) & 0xffffu;
    var word = r_zero();
    for (var q = 0u; q < 4u; q++) {
        // Nibble 0 has no bit.
        let hot = (1u << ((v >> (4u * q)) & 15u)) >> 1u;
        word = r_xor(word, r_shl(r_of(hot), 15u * q));
    }
    out[t] = word;
}
