// Random elements from blocks of a stream: a block holds PARTS groups of 8 elements, of 64, 32 or 16 bits, as few as the
// width K needs; `part8` takes group `part`.
#import ring
#import draw
#import shorts
#ifdef FULL
const PARTS: u32 = 1u;
fn part8(b: Block, part: u32) -> array<R, 8> {
    return array<R, 8>(
        r_make(b.a.x, b.a.y), r_make(b.a.z, b.a.w), r_make(b.b.x, b.b.y), r_make(b.b.z, b.b.w),
        r_make(b.c.x, b.c.y), r_make(b.c.z, b.c.w), r_make(b.d.x, b.d.y), r_make(b.d.z, b.d.w));
}
#endif
#ifdef HALF
const PARTS: u32 = 2u;
fn part8(b: Block, part: u32) -> array<R, 8> {
    let x = select(b.a, b.c, part == 1u);
    let y = select(b.b, b.d, part == 1u);
    return array<R, 8>(
        r_of(x.x), r_of(x.y), r_of(x.z), r_of(x.w), r_of(y.x), r_of(y.y), r_of(y.z), r_of(y.w));
}
#endif
#ifdef SHORT
const PARTS: u32 = 4u;
fn part8(b: Block, part: u32) -> array<R, 8> {
    let x = shorts(b, part);
    let lo = x & vec4<u32>(0xffffu);
    let hi = x >> vec4<u32>(16u);
    return array<R, 8>(
        r_of(lo.x), r_of(hi.x), r_of(lo.y), r_of(hi.y), r_of(lo.z), r_of(hi.z), r_of(lo.w), r_of(hi.w));
}
#endif
