//! Random streams and the wire format.

use masque_engine::correlated::elements_of_block;
use masque_engine::reference;
use reference::prg::ROUNDS;

use crate::case::{Case, Draw, SIZES, poisoned};

/// Bits of an element on the wire.
fn rings() -> impl Iterator<Item = u32> {
    (4..=64).step_by(4)
}

/// Blocks of a stream of `n` elements of `k` bits, a thread each.
fn blocks(n: usize, k: u32) -> usize {
    n.div_ceil(elements_of_block(k))
}

/// Words of a packed message, all of its last group.
fn packed(n: usize, k: u32) -> usize {
    n.div_ceil(8) * k as usize / 4
}

/// A message as it comes from the wire: the last group's elements end with the last byte.
fn received(draw: &mut Draw, n: usize, k: u32) -> Vec<u32> {
    draw.halves((n * k as usize).div_ceil(32))
}

pub fn prg(draw: &mut Draw) -> Vec<Case> {
    use reference::prg::*;
    let mut all = vec![];
    for k in rings() {
        for n in SIZES {
            let (keys, block) = (draw.halves(16), draw.pick(&[0, 3, 1 << 20]));
            let p =
                Params { n, k, key: draw.within(0..=1), n0: draw.within(0..=9), n1: draw.halves(1)[0], n2: 7, block };
            let case = || Case::new("prg", p.args(), blocks(n, k)).bits(k).input("keys", &keys);
            let expect = |twin: &dyn Fn(&mut [u64])| {
                let mut out = poisoned(n);
                twin(&mut out);
                out
            };
            all.push(case().output("out", &expect(&|out| prg(ROUNDS, &p, &keys, out))));
            if k == 64 {
                all.push(case().with("CHACHA20").output("out", &expect(&|out| prg(20, &p, &keys, out))));
            }
            all.push(case().with("BOTH").output("out", &expect(&|out| both(&p, &keys, out))));
            if k == 24 {
                let shift = draw.within(0..=8);
                let mut args = p.args();
                args.push(("shift", shift.into()));
                let case =
                    Case::new("prg", args, blocks(n, k)).bits(k).with("BOTH").with("SHIFTED").input("keys", &keys);
                all.push(case.output("out", &expect(&|out| shifted(&p, &keys, shift, out))));
            }
        }
    }
    all
}

pub fn open(draw: &mut Draw) -> Vec<Case> {
    use reference::open::*;
    let mut all = vec![];
    for (i, k) in rings().enumerate() {
        for turn in 0..5 {
            let n = SIZES[(i + turn) % SIZES.len()];
            // Also shares that are smaller than what is opened, which no protocol has.
            let from_ = if turn == 0 { 64 } else { draw.within(1..=64) };
            let shift = draw.within(0..=from_ - 1);
            let (keys, x) = (draw.halves(16), draw.words(n));
            for minus in [false, true] {
                let add = if draw.within(0..=1) == 1 { (1 << shift) - 1 } else { draw.word() };
                let ([n0, n1, n2], block) = ([(); 3].map(|_| draw.halves(1)[0]), draw.pick(&[0, 3, 1 << 20]));
                let p = Params { n, k, from_, shift, key: draw.within(0..=1), n0, n1, n2, block, add };
                let (mut lam, mut msg) = (poisoned(n), poisoned(packed(n, k)));
                open(minus, &p, &keys, &x, &mut lam, &mut msg);
                let case = Case::new("open", p.args(), blocks(n, k)).bits(k).input("keys", &keys).input("x", &x);
                let case = case.output("lam", &lam).output("msg", &msg);
                all.push(if minus { case.with("MINUS") } else { case });
            }
        }
    }
    all
}

pub fn deal(draw: &mut Draw) -> Vec<Case> {
    use reference::deal::*;
    let mut all = vec![];
    for (i, k) in rings().enumerate() {
        for turn in 0..5 {
            let n = SIZES[(i + turn) % SIZES.len()];
            let (keys, c) = (draw.halves(16), draw.words(n));
            let ([n0, n1, n2], block) = ([(); 3].map(|_| draw.halves(1)[0]), draw.pick(&[0, 3, 1 << 20]));
            let p = Params { n, k, n0, n1, n2, block };
            let mut msg = poisoned(packed(n, k));
            deal(&p, &keys, &c, &mut msg);
            let case = Case::new("deal", p.args(), blocks(n, k)).bits(k).input("keys", &keys).input("c", &c);
            all.push(case.output("msg", &msg));
        }
    }
    all
}

pub fn pack(draw: &mut Draw) -> Vec<Case> {
    use reference::pack::*;
    let mut all = vec![];
    for k in rings() {
        for (n, shift) in SIZES.into_iter().zip([0, 9, 40].into_iter().cycle()) {
            let p = Params { n, k, shift };
            let (x, mut msg) = (draw.words(n), poisoned(packed(n, k)));
            pack(&p, &x, &mut msg);
            all.push(Case::new("pack", p.args(), n.div_ceil(8)).bits(k).input("x", &x).output("msg", &msg));
        }
    }
    all
}

pub fn unpack(draw: &mut Draw) -> Vec<Case> {
    use reference::unpack::*;
    let mut all = vec![];
    for k in rings() {
        for n in SIZES {
            let p = Params { n, k };
            let (a, b, x) = (received(draw, n, k), received(draw, n, k), draw.words(n));
            let case = || Case::new("unpack", p.args(), n.div_ceil(8)).bits(k).input("a", &a);
            let mut out = poisoned(n);
            unpack(&p, &a, &mut out);
            all.push(case().output("out", &out));
            sum(&p, &a, &b, &mut out);
            all.push(case().with("SUM").input("b", &b).output("out", &out));
            plus(&p, &a, &x, &mut out);
            all.push(case().with("PLUS").input("x", &x).output("out", &out));
        }
    }
    all
}

/// What is packed comes back, on the CPU as on the wire.
#[test]
fn twins_of_the_wire_format_agree() {
    let mut draw = Draw::new("wire");
    for k in rings() {
        let n = 1003;
        let x = draw.words(n);
        let mut msg = vec![0; packed(n, k)];
        reference::pack::pack(&reference::pack::Params { n, k, shift: 0 }, &x, &mut msg);
        let mut back = vec![0; n];
        reference::unpack::unpack(&reference::unpack::Params { n, k }, &msg, &mut back);
        assert!(x.iter().zip(&back).all(|(x, b)| reference::ring::r_low(*x, k) == *b), "ring of {k} bits");
    }
    assert_eq!(ROUNDS, 12);
}
