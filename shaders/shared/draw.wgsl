// Block `block` of stream (key, nonce). Needs `keys` (8 words a key, as 2 vec4) bound.
#import chacha
fn draw(key: u32, nonce: vec3<u32>, block: u32) -> Block {
    return chacha(keys[2u * key], keys[2u * key + 1u], vec4<u32>(block, nonce));
}
