// Exclusive-or shares of products of opened-and-masked bits: a bit is v = m ^ a, m public, a shared; [ab], [abc], .. are
// dealt. Four words at once, and in each of them one instance at bit 0 up or, where `one` is 0x10001, a second one at bit
// 16 up. `first` is `one` for the party that adds the public part, else 0.
alias U = vec4<u32>;

fn bit(v: U, i: u32, one: U) -> U { return (v >> U(i)) & one; }

// Share of e3 ^ .. e_i of opened bytes m, own mask bytes a and own shares w of the products (compare_products.wgsl).
struct Factors { x3: U, x2: U, x1: U, s32: U, s321: U }

fn factors(m: U, a: U, w: U, one: U, first: U) -> Factors {
    let x3 = bit(m, 7u, one);
    let x2 = bit(m, 6u, one);
    let x1 = bit(m, 5u, one);
    let a3 = bit(a, 7u, one);
    let a2 = bit(a, 6u, one);
    let a1 = bit(a, 5u, one);
    // [e3 e2] and [e3 e2 e1] without their products with a further masked bit.
    let p32 = bit(w, 1u, one);
    let s32 = (first & x3 & x2) ^ (x3 & a2) ^ (x2 & a3) ^ p32;
    let s321 = (first & x3 & x2 & x1) ^ (x3 & x2 & a1) ^ (x3 & x1 & a2) ^ (x2 & x1 & a3)
        ^ (x3 & bit(w, 7u, one)) ^ (x2 & bit(w, 5u, one)) ^ (x1 & p32) ^ bit(w, 10u, one);
    return Factors(x3, x2, x1, s32, s321);
}

// Share of g3 ^ e3 g2 ^ e3 e2 g1 ^ e3 e2 e1 g0.
fn less(f: Factors, m: U, a: U, w: U, one: U, first: U) -> U {
    let g3 = (bit(m, 3u, one) & first) ^ bit(a, 3u, one);
    let m2 = bit(m, 2u, one);
    let t2 = (first & f.x3 & m2) ^ (f.x3 & bit(a, 2u, one)) ^ (m2 & bit(a, 7u, one)) ^ (w & one);
    // e3 e2 (m1 ^ b1)
    let t1 = (bit(m, 1u, one) & f.s32) ^ (f.x3 & f.x2 & bit(a, 1u, one)) ^ (f.x3 & bit(w, 3u, one))
        ^ (f.x2 & bit(w, 2u, one)) ^ bit(w, 4u, one);
    // e3 e2 e1 (m0 ^ b0)
    let t0 = ((m & one) & f.s321) ^ (f.x3 & f.x2 & f.x1 & a & one) ^ (f.x2 & f.x1 & bit(w, 6u, one))
        ^ (f.x3 & f.x1 & bit(w, 8u, one)) ^ (f.x3 & f.x2 & bit(w, 9u, one)) ^ (f.x1 & bit(w, 11u, one))
        ^ (f.x2 & bit(w, 12u, one)) ^ (f.x3 & bit(w, 13u, one)) ^ bit(w, 14u, one);
    return g3 ^ t2 ^ t1 ^ t0;
}

// Share of e3 e2 e1 e0; one instance a word, whose products take 23 bits.
fn equal(f: Factors, m: U, a: U, w: U, one: U) -> U {
    return (bit(m, 4u, one) & f.s321) ^ (f.x3 & f.x2 & f.x1 & bit(a, 4u, one)) ^ (f.x2 & f.x1 & bit(w, 16u, one))
        ^ (f.x3 & f.x1 & bit(w, 17u, one)) ^ (f.x3 & f.x2 & bit(w, 18u, one)) ^ (f.x1 & bit(w, 19u, one))
        ^ (f.x2 & bit(w, 20u, one)) ^ (f.x3 & bit(w, 21u, one)) ^ bit(w, 22u, one);
}

// Bytes 0 to 3 of `x` and of `y`, two a word as in a block of shorts.
fn bytes(x: u32, y: u32) -> U {
    let v = U(x, x >> 16u, y, y >> 16u);
    return (v & U(0xffu)) | ((v << U(8u)) & U(0xff0000u));
}

// Bit 0 and bit 16 of four words as 8 bits, in the order of elements.
fn gather8(v: U) -> u32 {
    let w = v & U(0x10001u);
    let two = w | (w >> U(15u));
    return (two.x & 3u) | ((two.y & 3u) << 2u) | ((two.z & 3u) << 4u) | ((two.w & 3u) << 6u);
}
