// Elements 8 part to 8 part + 7 of the 32 elements of 16 bits in a block, two a word.
#import chacha
fn shorts(b: Block, part: u32) -> vec4<u32> {
    return select(select(b.a, b.b, part == 1u), select(b.c, b.d, part == 3u), part >= 2u);
}
