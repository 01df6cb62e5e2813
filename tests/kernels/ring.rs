//! The ring preludes, function by function, and the ring's laws on the device.

use masque_engine::reference::ring::{r_bit, r_low};

use crate::case::{Case, Draw, check, poisoned};

/// Words at the edges of carries and signs.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0xffff_ffff_0000_0000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// The rows of `shaders/testing/ring.wgsl`.
fn rows(x: u64, y: u64, z: u64, k: u32, constant: u64) -> Vec<u64> {
    let sum = x.wrapping_add(y).wrapping_add(z);
    let product = x.wrapping_mul(y).wrapping_mul(z);
    let mixed = x.wrapping_mul(y.wrapping_add(z));
    vec![
        0,
        constant,
        x & 0xffff_ffff | y >> 32 << 32,
        x >> 32,
        x as i32 as i64 as u64,
        x.wrapping_add(y),
        x.wrapping_sub(y),
        x.wrapping_neg(),
        x.wrapping_mul(y),
        x.wrapping_add(y.wrapping_mul(z)),
        x & y,
        x ^ y,
        x << k,
        x >> k,
        r_low(x, k + 1),
        r_bit(x, k).into(),
        (x < y).into(),
        sum,
        sum,
        product,
        product,
        mixed,
        mixed,
        x.wrapping_sub(y),
        x.wrapping_sub(y),
        x << k,
        x << k,
        x.wrapping_sub(r_low(x, k + 1)),
        x.wrapping_sub(r_low(x, k + 1)),
    ]
}

#[test]
fn ring_functions() {
    let mut draw = Draw::new("ring");
    let (mut a, mut b, mut c, mut s) = (vec![], vec![], vec![], vec![]);
    let mut add = |x, y, z, k: u32| {
        a.push(x);
        b.push(y);
        c.push(z);
        s.push(k);
    };
    for k in 0..64 {
        for x in EDGES {
            add(x, draw.word(), draw.word(), k);
        }
        for _ in 0..64 {
            add(draw.word(), draw.word(), draw.word(), k);
        }
        // Neighbours, for borrows and order.
        let x = draw.word();
        add(x, x, 1, k);
        add(x, x.wrapping_add(1), x, k);
        add(x, x.wrapping_sub(1), x, k);
    }
    for x in EDGES {
        for y in EDGES {
            add(x, y, draw.word(), draw.within(0..=63));
        }
    }
    let (n, constant) = (a.len(), draw.word());
    let columns: Vec<Vec<u64>> = (0..n).map(|i| rows(a[i], b[i], c[i], s[i], constant)).collect();
    let mut out = poisoned(n * columns[0].len());
    for (i, column) in columns.iter().enumerate() {
        for (row, v) in column.iter().enumerate() {
            out[row * n + i] = *v;
        }
    }
    let args = vec![("n", n.into()), ("constant", constant.into())];
    let case = Case::new("testing/ring", args, n).input("a", &a).input("b", &b).input("c", &c).input("s", &s);
    check(&[case.output("out", &out)]);
}
