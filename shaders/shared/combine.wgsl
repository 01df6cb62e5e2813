// Exclusive-or shares of products of opened-and-masked bits: a bit is v = m ^ a, m public, a shared; [ab], [abc], .. are
// dealt. `first` is 1 for the party that adds the public part.
fn and2(m0: u32, m1: u32, a0: u32, a1: u32, a01: u32, first: u32) -> u32 {
    return (first & m0 & m1) ^ (m0 & a1) ^ (m1 & a0) ^ a01;
}

// Share of g3 ^ e3 g2 ^ e3 e2 g1 ^ e3 e2 e1 g0 in bit 0, and of e3 e2 e1 e0 in bit 1. m: opened byte, a: own mask byte,
// w: own share of the products (compare_products.wgsl).
fn combine(m: u32, a: u32, w: u32, first: u32) -> u32 {
    let x3 = (m >> 7u) & 1u;
    let x2 = (m >> 6u) & 1u;
    let x1 = (m >> 5u) & 1u;
    let a3 = (a >> 7u) & 1u;
    let a2 = (a >> 6u) & 1u;
    let a1 = (a >> 5u) & 1u;
    let p32 = (w >> 1u) & 1u;
    let p31 = (w >> 5u) & 1u;
    let p21 = (w >> 7u) & 1u;
    let p321 = (w >> 10u) & 1u;
    // [e3 e2] and [e3 e2 e1] without their products with a further masked bit.
    let s32 = and2(x3, x2, a3, a2, p32, first);
    let s321 = (first & x3 & x2 & x1) ^ (x3 & x2 & a1) ^ (x3 & x1 & a2) ^ (x2 & x1 & a3)
        ^ (x3 & p21) ^ (x2 & p31) ^ (x1 & p32) ^ p321;
    let g3 = ((m >> 3u) & first & 1u) ^ ((a >> 3u) & 1u);
    let m2 = (m >> 2u) & 1u;
    let t2 = and2(x3, m2, a3, (a >> 2u) & 1u, w & 1u, first);
    // e3 e2 (m1 ^ b1)
    let m1 = (m >> 1u) & 1u;
    let b1 = (a >> 1u) & 1u;
    let t1 = (m1 & s32) ^ (x3 & x2 & b1) ^ (x3 & (w >> 3u) & 1u) ^ (x2 & (w >> 2u) & 1u) ^ ((w >> 4u) & 1u);
    let t0 = ((m & 1u) & s321) ^ with_fourth(x3, x2, x1, a & 1u, w >> 6u, w >> 8u, w >> 9u, w >> 11u, w >> 12u, w >> 13u, w >> 14u);
    let all = (((m >> 4u) & 1u) & s321)
        ^ with_fourth(x3, x2, x1, (a >> 4u) & 1u, w >> 16u, w >> 17u, w >> 18u, w >> 19u, w >> 20u, w >> 21u, w >> 22u);
    return (g3 ^ t2 ^ t1 ^ t0) | (all << 1u);
}

// Share of e3 e2 e1 b for a masked bit b, given [b], [e3 b], [e2 b], [e1 b], [e3 e2 b], [e3 e1 b], [e2 e1 b], [e3 e2 e1 b].
fn with_fourth(x3: u32, x2: u32, x1: u32, b: u32, b3: u32, b2: u32, b1: u32, b32: u32, b31: u32, b21: u32, b321: u32) -> u32 {
    return ((x3 & x2 & x1 & b) ^ (x2 & x1 & b3) ^ (x3 & x1 & b2) ^ (x3 & x2 & b1)
        ^ (x1 & b32) ^ (x2 & b31) ^ (x3 & b21) ^ b321) & 1u;
}
