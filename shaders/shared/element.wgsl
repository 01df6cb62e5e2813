// Elements of a product: ring words, or f32 with F32. E is one element, E4 four neighbours, V what four are loaded as.
// e4_from0 to e4_from7 give what that thread of the subgroup has.
#ifdef F32
alias E = f32;
alias E4 = vec4<f32>;
alias V = vec4<f32>;
fn e_zero() -> E { return 0.0; }
fn e_add(a: E, b: E) -> E { return a + b; }
fn e_sub(a: E, b: E) -> E { return a - b; }
fn e4_make(x: E, y: E, z: E, w: E) -> E4 { return vec4<f32>(x, y, z, w); }
fn e4_mac(c: E4, a: E, b: E4) -> E4 { return c + a * b; }
fn e4_add(a: E4, b: E4) -> E4 { return a + b; }
fn e4_sub(a: E4, b: E4) -> E4 { return a - b; }
fn e4_keep(a: E4, keep: bool) -> E4 { return select(vec4<f32>(), a, keep); }
fn e4_x(a: E4) -> E { return a.x; }
fn e4_y(a: E4) -> E { return a.y; }
fn e4_z(a: E4) -> E { return a.z; }
fn e4_w(a: E4) -> E { return a.w; }
#ifdef SHARED
fn e4_from0(a: E4) -> E4 { return subgroupBroadcast(a, 0u); }
fn e4_from1(a: E4) -> E4 { return subgroupBroadcast(a, 1u); }
fn e4_from2(a: E4) -> E4 { return subgroupBroadcast(a, 2u); }
fn e4_from3(a: E4) -> E4 { return subgroupBroadcast(a, 3u); }
fn e4_from4(a: E4) -> E4 { return subgroupBroadcast(a, 4u); }
fn e4_from5(a: E4) -> E4 { return subgroupBroadcast(a, 5u); }
fn e4_from6(a: E4) -> E4 { return subgroupBroadcast(a, 6u); }
fn e4_from7(a: E4) -> E4 { return subgroupBroadcast(a, 7u); }
#endif
#else
#import ring
alias E = R;
fn e_zero() -> E { return r_zero(); }
fn e_add(a: E, b: E) -> E { return r_add(a, b); }
fn e_sub(a: E, b: E) -> E { return r_sub(a, b); }
#ifdef NATIVE
alias E4 = vec4<u64>;
alias V = vec4<u64>;
fn e4_make(x: E, y: E, z: E, w: E) -> E4 { return vec4<u64>(x, y, z, w); }
fn e4_mac(c: E4, a: E, b: E4) -> E4 { return c + a * b; }
fn e4_add(a: E4, b: E4) -> E4 { return a + b; }
fn e4_sub(a: E4, b: E4) -> E4 { return a - b; }
fn e4_keep(a: E4, keep: bool) -> E4 { return select(vec4<u64>(), a, keep); }
fn e4_x(a: E4) -> E { return a.x; }
fn e4_y(a: E4) -> E { return a.y; }
fn e4_z(a: E4) -> E { return a.z; }
fn e4_w(a: E4) -> E { return a.w; }
#ifdef SHARED
fn e4_from0(a: E4) -> E4 { return subgroupBroadcast(a, 0u); }
fn e4_from1(a: E4) -> E4 { return subgroupBroadcast(a, 1u); }
fn e4_from2(a: E4) -> E4 { return subgroupBroadcast(a, 2u); }
fn e4_from3(a: E4) -> E4 { return subgroupBroadcast(a, 3u); }
fn e4_from4(a: E4) -> E4 { return subgroupBroadcast(a, 4u); }
fn e4_from5(a: E4) -> E4 { return subgroupBroadcast(a, 5u); }
fn e4_from6(a: E4) -> E4 { return subgroupBroadcast(a, 6u); }
fn e4_from7(a: E4) -> E4 { return subgroupBroadcast(a, 7u); }
#endif
#else
struct E4 { lo: vec4<u32>, hi: vec4<u32> }
alias V = vec4<u32>;
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
// As r_mac, four columns at once.
fn e4_mac(c: E4, a: E, b: E4) -> E4 {
    let al = a.x & 0xffffu;
    let ah = a.x >> 16u;
    let bl = b.lo & vec4<u32>(0xffffu);
    let bh = b.lo >> vec4<u32>(16u);
    let ll = al * bl;
    let m1 = ah * bl + (ll >> vec4<u32>(16u));
    let m2 = al * bh + (m1 & vec4<u32>(0xffffu));
    let hi = ah * bh + (m1 >> vec4<u32>(16u)) + (m2 >> vec4<u32>(16u)) + a.x * b.hi + a.y * b.lo;
    let lo = c.lo + a.x * b.lo;
    return E4(lo, c.hi + hi + select(vec4<u32>(0u), vec4<u32>(1u), lo < c.lo));
}
fn e4_keep(a: E4, keep: bool) -> E4 {
    return E4(select(vec4<u32>(), a.lo, keep), select(vec4<u32>(), a.hi, keep));
}
fn e4_x(a: E4) -> E { return vec2<u32>(a.lo.x, a.hi.x); }
fn e4_y(a: E4) -> E { return vec2<u32>(a.lo.y, a.hi.y); }
fn e4_z(a: E4) -> E { return vec2<u32>(a.lo.z, a.hi.z); }
fn e4_w(a: E4) -> E { return vec2<u32>(a.lo.w, a.hi.w); }
#ifdef SHARED
fn e4_from0(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 0u), subgroupBroadcast(a.hi, 0u)); }
fn e4_from1(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 1u), subgroupBroadcast(a.hi, 1u)); }
fn e4_from2(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 2u), subgroupBroadcast(a.hi, 2u)); }
fn e4_from3(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 3u), subgroupBroadcast(a.hi, 3u)); }
fn e4_from4(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 4u), subgroupBroadcast(a.hi, 4u)); }
fn e4_from5(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 5u), subgroupBroadcast(a.hi, 5u)); }
fn e4_from6(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 6u), subgroupBroadcast(a.hi, 6u)); }
fn e4_from7(a: E4) -> E4 { return E4(subgroupBroadcast(a.lo, 7u), subgroupBroadcast(a.hi, 7u)); }
#endif
#endif
#endif
