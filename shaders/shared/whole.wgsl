// What is stored, kept whole: a software adapter stores lane by lane, and LLVM moves what it can of a value's arithmetic into
// that loop, for one lane at a time, with every operand taken from a vector in memory. A choice it leaves where it is. No
// index is `beyond`. Words of 32 bits: taking a lane of wider ones from memory is slower than of two.
#import ring
fn beyond(g: u32) -> bool { return g == 0xffffffffu; }
fn r_whole(v: R, none: bool) -> R { return r_make(select(r_lo(v), 0u, none), select(r_hi(v), 0u, none)); }
fn whole2(v: vec2<u32>, g: u32) -> vec2<u32> { return select(v, vec2<u32>(0u), beyond(g)); }
fn whole4(v: vec4<u32>, g: u32) -> vec4<u32> { return select(v, vec4<u32>(0u), beyond(g)); }
