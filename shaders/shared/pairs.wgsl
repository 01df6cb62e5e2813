// Elements of buffer $, `[rows, p.width]`, that are compared: pair (row, c) has columns c and p.width - p.half + c, c <
// p.half. Reads one of each of the 8 pairs from 8 g on; `at` is 0 or p.width - p.half. With EIGHTS both p.width and p.half
// are multiples of 8.
#ifdef EIGHTS
#import load8($)
fn pairs8_$(g: u32, at: u32) -> array<R, 8> {
    let row = 8u * g / p.half;
    return load8_$((row * (p.width - p.half) + at) / 8u + g);
}
#else
fn pairs8_$(g: u32, at: u32) -> array<R, 8> {
    let row = 8u * g / p.half;
    var c = 8u * g - row * p.half;
    var from_ = row * p.width + at;
    var v: array<R, 8>;
#each i 8
    v[%i] = $[from_ + c];
    c += 1u;
    from_ += select(0u, p.width, c == p.half);
    c = select(c, 0u, c == p.half);
#end
    return v;
}
#endif
