// Ring elements of a product as pairs of u32; see element.wgsl.
//
// WGSL has no high product, so the left-hand side's low word and the weight fall into 16-bit limbs. A sum keeps its low
// word in two limbs as well: (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1, so that a product of limbs, the carry of the limb
// below and the sum's own limb fit a word together, and no carry is ever looked for. With a signed weight in place of a
// limb the same three fit an i32: -(2^16 - 1) 2^15 - 2^15 = -2^31.
struct E4 { lo: vec4<u32>, hi: vec4<u32> }
struct C { l0: vec4<u32>, l1: vec4<u32>, hi: vec4<u32> }
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
fn e4_keep(a: E4, keep: bool) -> E4 {
    return E4(select(vec4<u32>(), a.lo, keep), select(vec4<u32>(), a.hi, keep));
}
fn e4_0(a: E4) -> E { return vec2<u32>(a.lo.x, a.hi.x); }
fn e4_1(a: E4) -> E { return vec2<u32>(a.lo.y, a.hi.y); }
fn e4_2(a: E4) -> E { return vec2<u32>(a.lo.z, a.hi.z); }
fn e4_3(a: E4) -> E { return vec2<u32>(a.lo.w, a.hi.w); }
fn e4_start(a: E4) -> C { return C(a.lo & LIMB, a.lo >> HALF, a.hi); }
fn e4_end(c: C) -> E4 { return E4(c.l0 | (c.l1 << HALF), c.hi); }
#ifdef I32
alias W = vec4<i32>;
alias B4 = vec4<u32>;
fn load_b(i: u32) -> B4 { return vec4<u32>(b[i]); }
fn load_head(i: u32) -> E4 { return e4_pair(vec4<u32>(b[2u * i]), vec4<u32>(b[2u * i + 1u])); }
fn e4_mac(c: C, a: E, b: B4) -> C {
    let al = a.x & 0xffffu;
    let ah = a.x >> 16u;
    let bl = b & LIMB;
    let bh = vec4<u32>(vec4<i32>(b) >> HALF);
    let r = al * bl + c.l0;
    let p = ah * bl + (r >> HALF) + c.l1;
    let q = al * bh + (p & LIMB);
    let carry = (p >> HALF) + vec4<u32>(vec4<i32>(q) >> HALF);
    return C(r & LIMB, q & LIMB, c.hi + carry + ah * bh + a.y * b);
}
#ifdef SHARED
#each j 8
fn b4_from%j(a: B4) -> B4 { return subgroupBroadcast(a, %ju); }
#end
#endif
#else
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
fn e4_mac(c: C, a: E, b: B4) -> C {
    let r = (a.x & 0xffffu) * b + c.l0;
    let p = (a.x >> 16u) * b + vec4<u32>(vec4<i32>(r) >> HALF) + c.l1;
    return C(r & LIMB, p & LIMB, c.hi + vec4<u32>(vec4<i32>(p) >> HALF) + a.y * b);
}
#ifdef SHARED
#each j 8
fn b4_from%j(a: B4) -> B4 { return subgroupBroadcast(a, %ju); }
#end
#endif
#else
alias W = vec4<u32>;
alias B4 = E4;
fn load_b(i: u32) -> B4 { return e4_pair(b[2u * i], b[2u * i + 1u]); }
fn load_head(i: u32) -> E4 { return load_b(i); }
fn e4_mac(c: C, a: E, b: B4) -> C {
    let al = a.x & 0xffffu;
    let ah = a.x >> 16u;
    let bl = b.lo & LIMB;
    let bh = b.lo >> HALF;
    let r = al * bl + c.l0;
    let p = ah * bl + (r >> HALF) + c.l1;
    let q = al * bh + (p & LIMB);
    let carry = (p >> HALF) + (q >> HALF);
    return C(r & LIMB, q & LIMB, c.hi + carry + ah * bh + a.x * b.hi + a.y * b.lo);
}
#ifdef SHARED
#each j 8
fn b4_from%j(a: B4) -> B4 { return E4(subgroupBroadcast(a.lo, %ju), subgroupBroadcast(a.hi, %ju)); }
#end
#endif
#endif
#endif
