// Ring elements of a product as pairs of u32; see element.wgsl.
//
// WGSL has no high product, so low words fall into two digits of 16 bits, and these are signed: l in (-2^15, 2^15] on the
// left, l and h in [-2^15, 2^15) on the right (h of I32 also 2^15). Two products of them fit an i32 together, and so no
// carry is ever looked for: l l' + l l' + 2^16 - 1 does over two rows of a panel, and within a row the middle digit
// l h' + h l', which is (l + h) (l' + h') - l l' - h h' and takes one multiplication where it is two.
//
// A loop of a software adapter pays for every sum at its end and for code beyond the cache of instructions: two rows at a
// time, and sums of two words.
const DEPTH: u32 = 2u;
struct E4 { lo: vec4<u32>, hi: vec4<u32> }
// Two elements: words, digits, the sum of these. `hi` is what the digits leave.
struct X { lo: vec2<u32>, hi: vec2<u32>, l: vec2<u32>, h: vec2<u32>, s: vec2<u32> }
alias C = E4;
alias V = vec4<u32>;
const LIMB = vec4<u32>(0xffffu);
const HALF = vec4<u32>(16u);
fn e4_make(x: E, y: E, z: E, w: E) -> E4 {
    return E4(vec4<u32>(x.x, y.x, z.x, w.x), vec4<u32>(x.y, y.y, z.y, w.y));
}
// From two pairs as they lie in memory.
fn e4_pair(u: vec4<u32>, v: vec4<u32>) -> E4 { return E4(vec4<u32>(u.xz, v.xz), vec4<u32>(u.yw, v.yw)); }
fn e4_add(a: E4, b: E4) -> E4 {
    let lo = a.lo + b.lo;
    return E4(lo, a.hi + b.hi + select(vec4<u32>(0u), vec4<u32>(1u), lo < a.lo));
}
fn e4_sub(a: E4, b: E4) -> E4 {
    return E4(a.lo - b.lo, a.hi - b.hi - select(vec4<u32>(0u), vec4<u32>(1u), a.lo < b.lo));
}
fn e4_0(a: E4) -> E { return vec2<u32>(a.lo.x, a.hi.x); }
fn e4_1(a: E4) -> E { return vec2<u32>(a.lo.y, a.hi.y); }
fn e4_2(a: E4) -> E { return vec2<u32>(a.lo.z, a.hi.z); }
fn e4_3(a: E4) -> E { return vec2<u32>(a.lo.w, a.hi.w); }
fn e4_start(a: E4) -> C { return a; }
fn e4_end(c: C) -> E4 { return c; }
fn x_load(v: V) -> X {
    let lo = v.xz;
    let l = vec2<u32>(vec2<i32>((lo - 1u) << HALF.xy) >> HALF.xy) + 1u;
    let h = vec2<u32>(vec2<i32>(lo - l - 1u) >> HALF.xy) + 1u;
    return X(lo, v.yw + select(vec2<u32>(0u), vec2<u32>(1u), lo > vec2<u32>(0x80008000u)), l, h, l + h);
}
fn x_make(v: array<E, DEPTH>) -> X { return x_load(vec4<u32>(v[0], v[1])); }
// A signed digit's carry.
fn above(v: vec4<u32>) -> vec4<u32> { return vec4<u32>(vec4<i32>(v) >> HALF); }
fn low_digit(v: vec4<u32>) -> vec4<u32> { return vec4<u32>(vec4<i32>(v << HALF) >> HALF); }
// The sums and what their columns add: low digits r, middle digits m and n, high words w.
fn e4_sum(c: C, r: vec4<u32>, m: vec4<u32>, n: vec4<u32>, w: vec4<u32>) -> C {
    let low = r + (c.lo & LIMB);
    let middle = (c.lo >> HALF) + (m & LIMB) + (n & LIMB) + above(low);
    return C((low & LIMB) | (middle << HALF), c.hi + w + above(m) + above(n) + above(middle));
}
#ifdef I16
alias W = vec2<i32>;
alias B4 = vec4<u32>;
fn load_b(i: u32) -> B4 {
    let w = b[i];
    return vec4<u32>(vec4<i32>(w.x << 16u, w.x, w.y << 16u, w.y) >> HALF);
}
fn load_head(i: u32) -> E4 {
    let j = 4u * i;
    return e4_pair(vec4<u32>(vec4<i32>(b[j], b[j + 1u])), vec4<u32>(vec4<i32>(b[j + 2u], b[j + 3u])));
}
fn e4_dot(c: C, x: X, s: array<B4, DEPTH>) -> C {
    let r = x.l.x * s[0] + x.l.y * s[1];
    let m = x.h.x * s[0] + x.h.y * s[1];
    return e4_sum(c, r, m, vec4<u32>(), x.hi.x * s[0] + x.hi.y * s[1]);
}
#ifdef SHARED
// Of the thread that loaded quad q of row i of the panel.
#each i DEPTH
#each q QUADS
fn b4_%i_%q(a: B4) -> B4 { return subgroupBroadcast(a, (%iu * QUADS + %qu) % 8u); }
#end
#end
#endif
#else
#ifdef I32
alias W = vec4<i32>;
struct B4 { lo: vec4<u32>, l: vec4<u32>, h: vec4<u32>, s: vec4<u32> }
fn load_b(i: u32) -> B4 {
    let v = vec4<u32>(b[i]);
    let l = low_digit(v);
    let h = above(v) + (l >> vec4<u32>(31u));
    return B4(v, l, h, l + h);
}
fn load_head(i: u32) -> E4 { return e4_pair(vec4<u32>(b[2u * i]), vec4<u32>(b[2u * i + 1u])); }
fn e4_words(x: X, s: array<B4, DEPTH>) -> vec4<u32> { return x.hi.x * s[0].lo + x.hi.y * s[1].lo; }
#ifdef SHARED
// Of the thread that loaded quad q of row i of the panel.
#each i DEPTH
#each q QUADS
fn b4_%i_%q(a: B4) -> B4 {
    const J = (%iu * QUADS + %qu) % 8u;
    return B4(subgroupBroadcast(a.lo, J),
        subgroupBroadcast(a.l, J), subgroupBroadcast(a.h, J), subgroupBroadcast(a.s, J));
}
#end
#end
#endif
#else
alias W = vec4<u32>;
struct B4 { lo: vec4<u32>, hi: vec4<u32>, l: vec4<u32>, h: vec4<u32>, s: vec4<u32> }
fn load_b(i: u32) -> B4 {
    let v = load_head(i);
    let l = low_digit(v.lo);
    let h = above(v.lo - l);
    let hi = v.hi + select(vec4<u32>(0u), vec4<u32>(1u), v.lo > vec4<u32>(0x7fff7fffu));
    return B4(v.lo, hi, l, h, l + h);
}
fn load_head(i: u32) -> E4 { return e4_pair(b[2u * i], b[2u * i + 1u]); }
fn e4_words(x: X, s: array<B4, DEPTH>) -> vec4<u32> {
    return x.hi.x * s[0].lo + x.lo.x * s[0].hi + x.hi.y * s[1].lo + x.lo.y * s[1].hi;
}
#ifdef SHARED
// Of the thread that loaded quad q of row i of the panel.
#each i DEPTH
#each q QUADS
fn b4_%i_%q(a: B4) -> B4 {
    const J = (%iu * QUADS + %qu) % 8u;
    return B4(subgroupBroadcast(a.lo, J), subgroupBroadcast(a.hi, J),
        subgroupBroadcast(a.l, J), subgroupBroadcast(a.h, J), subgroupBroadcast(a.s, J));
}
#end
#end
#endif
#endif
fn e4_dot(c: C, x: X, s: array<B4, DEPTH>) -> C {
    let l0 = x.l.x * s[0].l;
    let h0 = x.h.x * s[0].h;
    let l1 = x.l.y * s[1].l;
    let h1 = x.h.y * s[1].h;
    return e4_sum(c, l0 + l1, x.s.x * s[0].s - l0 - h0, x.s.y * s[1].s - l1 - h1, e4_words(x, s) + h0 + h1);
}
#endif
