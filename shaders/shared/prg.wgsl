// Eight ring words from block `block` of stream (key, nonce). Needs `keys` (8 words a key, as 2 vec4) bound.
#import ring
#import chacha
fn prg8(key: u32, nonce: vec3<u32>, block: u32) -> array<R, 8> {
    let b = chacha(keys[2u * key], keys[2u * key + 1u], vec4<u32>(block, nonce));
    return array<R, 8>(
        r_make(b.a.x, b.a.y), r_make(b.a.z, b.a.w), r_make(b.b.x, b.b.y), r_make(b.b.z, b.b.w),
        r_make(b.c.x, b.c.y), r_make(b.c.z, b.c.w), r_make(b.d.x, b.d.y), r_make(b.d.z, b.d.w));
}
