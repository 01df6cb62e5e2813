// Eight bytes as they lie in a message, each masked by the low byte of a mask of 16 bits, two of which are in a word of m. To be
// stored as group `g`.
#import whole
fn masked8(bytes: array<u32, 8>, m: vec4<u32>, g: u32) -> vec2<u32> {
    let x = m & vec4<u32>(0xffu);
    let y = (m >> vec4<u32>(16u)) & vec4<u32>(0xffu);
    return whole2(vec2<u32>(
        (bytes[0] ^ x.x) | ((bytes[1] ^ y.x) << 8u) | ((bytes[2] ^ x.y) << 16u) | ((bytes[3] ^ y.y) << 24u),
        (bytes[4] ^ x.z) | ((bytes[5] ^ y.z) << 8u) | ((bytes[6] ^ x.w) << 16u) | ((bytes[7] ^ y.w) << 24u)), g);
}
