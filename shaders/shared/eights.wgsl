// Eight elements as words of 32 bits: of 16 bits, two a word in the wire format, or of 32.
#import shorts
#import whole

fn spread(v: vec4<u32>) -> array<u32, 8> {
    let lo = v & vec4<u32>(0xffffu);
    let hi = v >> vec4<u32>(16u);
    return array<u32, 8>(lo.x, hi.x, lo.y, hi.y, lo.z, hi.z, lo.w, hi.w);
}

// To be stored as group `g`.
fn joined(v: array<u32, 8>, g: u32) -> vec4<u32> {
    let lo = vec4<u32>(v[0], v[2], v[4], v[6]) & vec4<u32>(0xffffu);
    return whole4(lo | (vec4<u32>(v[1], v[3], v[5], v[7]) << vec4<u32>(16u)), g);
}

// Elements 8 part to 8 part + 7 of the 16 elements of 32 bits in a block.
fn halves(b: Block, part: u32) -> array<u32, 8> {
    let x = select(b.a, b.c, part == 1u);
    let y = select(b.b, b.d, part == 1u);
    return array<u32, 8>(x.x, x.y, x.z, x.w, y.x, y.y, y.z, y.w);
}
