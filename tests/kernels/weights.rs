//! Kernels of a softmax's weights.

use masque_engine::reference;

use crate::case::{Case, Draw, EIGHTS, poisoned};

/// The switch of the party that adds public terms, and of the other one.
fn party(first: u32) -> &'static str {
    if first == 1 { "CLIENT" } else { "SERVER" }
}

/// Every size for both parties, with as many random words as a shader has parameters for addresses.
fn cases<const A: usize>(draw: &mut Draw, mut case: impl FnMut(&mut Draw, usize, u32, [u32; A]) -> Case) -> Vec<Case> {
    let turns = EIGHTS.into_iter().flat_map(|n| [(n, 0), (n, 1)]);
    let one = |(n, first)| {
        let address = [(); A].map(|_| draw.halves(1)[0]);
        case(draw, n, first, address)
    };
    turns.map(one).collect()
}

fn with_dealt(case: Case, name: &'static str, dealt: &Option<Vec<u32>>) -> Case {
    match dealt {
        Some(dealt) => case.input(name, dealt),
        None => case,
    }
}

pub fn quartic_square(draw: &mut Draw) -> Vec<Case> {
    use reference::quartic_square::*;
    cases(draw, |draw, n, first, [c0, c1, add, m0, m1, m2, n0, n1, n2]| {
        let p = Params { n, first, c0, c1, cut: draw.within(0..=12), add, m0, m1, m2, n0, n1, n2 };
        let (keys, delta, lam) = (draw.halves(16), draw.words(n), draw.words(n));
        let dealt = (first == 0).then(|| draw.halves(n * 24 / 32));
        let mut msg = poisoned(n / 2);
        quartic_square(&p, &keys, [&delta, &lam], dealt.as_deref(), &mut msg);
        let case = Case::new("quartic_square", p.args(), n.div_ceil(32)).bits(24).with(party(first));
        let case = case.input("keys", &keys).input("delta", &delta).input("lam", &lam).output("msg", &msg);
        with_dealt(case, "dealt", &dealt)
    })
}

pub fn quartic_value(draw: &mut Draw) -> Vec<Case> {
    use reference::quartic_value::*;
    cases(draw, |draw, n, first, [b, c, d, add, w0, w1, w2, m0, m1, m2, q0, q1, q2, n0, n1, n2]| {
        let (k, cut) = (draw.within(15..=16), draw.within(12..=16));
        let p = Params { n, first, k, b, c, d, cut, add, w0, w1, w2, m0, m1, m2, q0, q1, q2, n0, n1, n2 };
        let (keys, delta, lam) = (draw.halves(16), draw.words(n), draw.words(n));
        let [mine, theirs] = [(); 2].map(|_| draw.halves(n / 2));
        let squares = (first == 0).then(|| draw.halves(n));
        let words = (first == 0).then(|| draw.halves(n.div_ceil(32) * 48));
        let mut msg = poisoned(n / 2);
        let x = Inputs { mine: &mine, theirs: &theirs, delta: &delta, lam: &lam };
        let dealt = squares.as_ref().zip(words.as_ref()).map(|(s, w)| [&s[..], &w[..]]);
        quartic_value(&p, &keys, &x, dealt, &mut msg);
        let case = Case::new("quartic_value", p.args(), n.div_ceil(32)).with(party(first)).input("keys", &keys);
        let case = case.input("mine", &mine).input("theirs", &theirs).input("delta", &delta).input("lam", &lam);
        with_dealt(with_dealt(case.output("msg", &msg), "squares", &squares), "words", &words)
    })
}

pub fn quartic_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::quartic_deal::*;
    cases(draw, |draw, n, _, [w0, w1, w2, s0, s1, s2, q0, q1, q2, n0, n1, n2]| {
        let p = Params { n, k: draw.within(15..=16), w0, w1, w2, s0, s1, s2, q0, q1, q2, n0, n1, n2 };
        let (keys, lam) = (draw.halves(16), draw.words(n));
        let (mut msg, mut squares, mut words) = (poisoned(n * 24 / 32), poisoned(n), poisoned(n.div_ceil(32) * 48));
        quartic_deal(&p, &keys, &lam, [&mut msg, &mut squares, &mut words]);
        let case = Case::new("quartic_deal", p.args(), n.div_ceil(32)).bits(24).input("keys", &keys);
        case.input("lam", &lam).output("msg", &msg).output("squares", &squares).output("words", &words)
    })
}

pub fn select(draw: &mut Draw) -> Vec<Case> {
    use reference::select::*;
    cases(draw, |draw, n, first, [y0, y1, y2, m0, m1, m2, n0, n1, n2]| {
        let p = Params { n, first, y0, y1, y2, m0, m1, m2, n0, n1, n2 };
        let (keys, bits) = (draw.halves(16), draw.halves(n.div_ceil(32)));
        let [mine, theirs] = [(); 2].map(|_| draw.halves(n / 2));
        let dealt = (first == 0).then(|| draw.halves(n));
        let mut msg = poisoned(n / 2);
        select(&p, &keys, [&mine, &theirs], &bits, dealt.as_deref(), &mut msg);
        let case = Case::new("select", p.args(), n.div_ceil(32)).with(party(first)).input("keys", &keys);
        let case = case.input("mine", &mine).input("theirs", &theirs).input("bits", &bits).output("msg", &msg);
        with_dealt(case, "dealt", &dealt)
    })
}

pub fn select_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::select_deal::*;
    cases(draw, |draw, n, _, [y0, y1, y2, n0, n1, n2]| {
        let p = Params { n, y0, y1, y2, n0, n1, n2 };
        let (keys, bits) = (draw.halves(16), draw.halves(n.div_ceil(32)));
        let mut msg = poisoned(n);
        select_deal(&p, &keys, &bits, &mut msg);
        let case = Case::new("select_deal", p.args(), n.div_ceil(32)).input("keys", &keys).input("bits", &bits);
        case.output("msg", &msg)
    })
}

pub fn raise(draw: &mut Draw) -> Vec<Case> {
    use reference::raise::*;
    let of_ring = |draw: &mut Draw, k: u32| {
        cases(draw, |draw, n, first, [y0, y1, y2, m0, m1, m2, n0, n1, n2]| {
            let p = Params { n, first, y0, y1, y2, m0, m1, m2, n0, n1, n2 };
            let keys = draw.halves(16);
            let [mine, theirs] = [(); 2].map(|_| draw.halves(n / 2));
            let dealt = (first == 0).then(|| draw.halves(n * 2 * (k as usize - 16) / 32));
            let (mut lam, mut msg) = (poisoned(n), poisoned(n * k as usize / 32));
            raise(k, &p, &keys, [&mine, &theirs], dealt.as_deref(), &mut lam, &mut msg);
            let case = Case::new("raise", p.args(), n.div_ceil(32)).bits(k).with(party(first)).input("keys", &keys);
            let case = case.input("mine", &mine).input("theirs", &theirs).output("lam", &lam).output("msg", &msg);
            with_dealt(case, "dealt", &dealt)
        })
    };
    [36, 40, 44, 48].into_iter().flat_map(|k| of_ring(draw, k)).collect()
}

pub fn raise_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::raise_deal::*;
    let of_width = |draw: &mut Draw, k: u32| {
        cases(draw, |draw, n, _, [y0, y1, y2, n0, n1, n2]| {
            let (p, keys) = (Params { n, y0, y1, y2, n0, n1, n2 }, draw.halves(16));
            let mut msg = poisoned(n * k as usize / 32);
            raise_deal(k, &p, &keys, &mut msg);
            let case = Case::new("raise_deal", p.args(), n.div_ceil(32)).bits(k).input("keys", &keys);
            case.output("msg", &msg)
        })
    };
    [40, 48, 56, 64].into_iter().flat_map(|k| of_width(draw, k)).collect()
}
