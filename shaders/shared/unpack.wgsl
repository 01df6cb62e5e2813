// Reads element e (0 to 7) of group `group` from the wire format of pack.wgsl. The caller loads words through `wire_word`.
#import ring
fn unpack_at(k: u32, group: u32, e: u32) -> vec3<u32> {
    // Word, bit within the word, and how many of the low 32 bits are wanted.
    let bit = e * k;
    return vec3<u32>(group * (k >> 2u) + (bit >> 5u), bit & 31u, min(k, 32u));
}

// 32 bits starting at bit `s` of the pair (a, b).
fn funnel(a: u32, b: u32, s: u32) -> u32 {
    if (s == 0u) { return a; }
    return (a >> s) | (b << (32u - s));
}
