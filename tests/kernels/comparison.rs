//! Kernels of comparisons.

use masque_engine::correlated::elements_of_block;
use masque_engine::reference;

use crate::case::{Case, Draw, EIGHTS, poisoned};

/// Bits `lo..hi` that are compared, from one to all 64, and the width of the leaves' messages.
const WINDOWS: [(u32, u32, u32); 13] = [
    (0, 2, 8),
    (62, 64, 8),
    (3, 7, 8),
    (3, 8, 16),
    (0, 7, 16),
    (20, 30, 24),
    (4, 15, 28),
    (51, 64, 28),
    (4, 21, 60),
    (0, 18, 60),
    (10, 28, 60),
    (1, 50, 60),
    (0, 64, 60),
];

/// Groups of four digits below the sign bit.
fn groups(lo: u32, hi: u32) -> usize {
    (hi - lo - 1).div_ceil(16) as usize
}

/// Words of 32 bits for so many rows of `n` bits.
fn words(n: usize, rows: usize) -> usize {
    n.div_ceil(32) * rows
}

/// The switch of the party that adds public terms, and of the other one.
fn party(first: u32) -> &'static str {
    if first == 1 { "CLIENT" } else { "SERVER" }
}

/// Windows of one group with digits of 7 bits.
const WIDE: [(u32, u32); 6] = [(0, 29), (35, 64), (7, 25), (20, 49), (3, 5), (1, 14)];

pub fn compare_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_deal::*;
    let mut all = vec![];
    let wide = WIDE.map(|(lo, hi)| (lo, hi, 64));
    for (i, (lo, hi, k)) in WINDOWS.into_iter().chain(wide).enumerate() {
        for turn in 0..3 {
            let n = EIGHTS[(i + 2 * turn) % EIGHTS.len()];
            let [n0, n1, n2] = [(); 3].map(|_| draw.halves(1)[0]);
            let groups = if k == 64 { 8 } else { groups(lo, hi) };
            let p = Params { n, groups, lo, hi, n0, n1, n2 };
            let count = n * p.groups;
            let (keys, lam) = (draw.halves(16), draw.words(n));
            let mut msg = poisoned(count * k as usize / 32);
            compare_deal(k, &p, &keys, &lam, &mut msg);
            let case = Case::new("compare_deal", p.args(), count.div_ceil(elements_of_block(k))).bits(k);
            all.push(case.input("keys", &keys).input("lam", &lam).output("msg", &msg));
        }
    }
    all
}

pub fn compare_products(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_products::*;
    let mut all = vec![];
    for n in EIGHTS {
        for rows in [1, 3] {
            for k in [16, 24] {
                let [n0, n1, n2, m0, m1, m2] = [(); 6].map(|_| draw.halves(1)[0]);
                let p = Params { n, rows, sign: draw.within(0..=63), n0, n1, n2, m0, m1, m2 };
                let (keys, lam) = (draw.halves(16), draw.words(n));
                let (mut msg, mut beta) = (poisoned(rows * n * k as usize / 32), poisoned(words(n, rows)));
                compare_products(k, &p, &keys, &lam, &mut msg, &mut beta);
                let case = Case::new("compare_products", p.args(), words(n, rows)).bits(k);
                let case = case.input("keys", &keys).input("lam", &lam).output("msg", &msg);
                all.push(if k == 16 { case.output("beta", &beta) } else { case });
            }
        }
    }
    all
}

pub fn compare_leaf(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_leaf::*;
    let mut all = vec![];
    for (i, (lo, hi, k)) in WINDOWS.into_iter().enumerate() {
        for levels in [1, 2, 5] {
            for first in [0, 1] {
                let (n, groups) = (EIGHTS[(i + levels) % EIGHTS.len()], groups(lo, hi));
                let rows = levels * groups;
                let [n0, n1, n2, m0, m1, m2] = [(); 6].map(|_| draw.halves(1)[0]);
                let p = Params { n, groups, rows, lo, hi, first, m0, m1, m2, n0, n1, n2 };
                let (keys, delta, thresholds) = (draw.halves(16), draw.words(n), draw.words(levels));
                let leaves = (first == 0).then(|| draw.halves(groups * n * k as usize / 32));
                let (mut msg, mut signs) = (poisoned(rows * n / 4), poisoned(words(n, rows)));
                compare_leaf(k, &p, &keys, &delta, &thresholds, leaves.as_deref(), [&mut msg, &mut signs]);
                let case = Case::new("compare_leaf", p.args(), words(n, rows)).bits(k).with(party(first));
                let case = case.input("keys", &keys).input("delta", &delta).input("thresholds", &thresholds);
                let case = case.output("msg", &msg).output("signs", &signs);
                all.push(match leaves {
                    Some(leaves) => case.input("leaves", &leaves),
                    None => case,
                });
            }
        }
    }
    all
}

pub fn compare_wide(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_wide::*;
    let mut all = vec![];
    for (i, (lo, hi)) in WIDE.into_iter().enumerate() {
        for rows in [1, 2, 5] {
            for first in [0, 1] {
                let n = EIGHTS[(i + rows) % EIGHTS.len()];
                let [m0, m1, m2] = [(); 3].map(|_| draw.halves(1)[0]);
                let p = Params { n, rows, lo, hi, first, m0, m1, m2 };
                let (keys, delta, thresholds) = (draw.halves(16), draw.words(n), draw.words(rows));
                let two = hi - lo <= 15 && first == 1;
                let hot = draw.words(if two { 4 * n } else { 8 * n });
                let (mut msg, mut signs) = (poisoned(rows * n / 4), poisoned(words(n, rows)));
                compare_wide(&p, &keys, &delta, &thresholds, &hot, [&mut msg, &mut signs]);
                let case = Case::new("compare_wide", p.args(), words(n, rows));
                let case = if two { case.with("TWO") } else { case };
                let case = case.input("keys", &keys).input("delta", &delta).input("thresholds", &thresholds);
                all.push(case.input("hot", &hot).output("msg", &msg).output("signs", &signs));
            }
        }
    }
    all
}

pub fn compare_level(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_level::*;
    let mut all = vec![];
    for n in EIGHTS {
        for groups in 1..=4 {
            for first in [0, 1] {
                let levels = draw.pick(&[1, 2, 3]);
                let [n0, n1, n2, m0, m1, m2, s0, s1, s2] = [(); 9].map(|_| draw.halves(1)[0]);
                let p = Params { n, groups, levels, first, m0, m1, m2, s0, s1, s2, n0, n1, n2 };
                let instances = levels * groups * n;
                let [mine, theirs] = [(); 2].map(|_| draw.halves(instances / 4));
                let keys = draw.halves(16);
                let products = (first == 0).then(|| draw.halves(instances * 24 / 32));
                let mut msg = poisoned(levels * n / 4);
                compare_level(&p, &keys, [&mine, &theirs], products.as_deref(), &mut msg);
                let case = Case::new("compare_level", p.args(), words(n, levels)).bits(24).with(party(first));
                let case = case.input("keys", &keys).input("mine", &mine).input("theirs", &theirs).output("msg", &msg);
                all.push(match products {
                    Some(products) => case.input("products", &products),
                    None => case,
                });
            }
        }
    }
    all
}

pub fn compare_final(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_final::*;
    let mut all = vec![];
    for n in EIGHTS {
        for levels in [1, 2, 5] {
            for first in [0, 1] {
                let groups = draw.pick(&[1, 3]);
                let [n0, n1, n2, m0, m1, m2] = [(); 6].map(|_| draw.halves(1)[0]);
                let p = Params { n, groups, levels, first, m0, m1, m2, n0, n1, n2 };
                let [mine, theirs] = [(); 2].map(|_| draw.halves(levels * n / 4));
                let (keys, signs) = (draw.halves(16), draw.halves(words(n, levels * groups)));
                let products = (first == 0).then(|| draw.halves(levels * n / 2));
                let (mut msg, mut beta) = (poisoned(words(n, levels)), poisoned(words(n, levels)));
                compare_final(&p, &keys, [&mine, &theirs], products.as_deref(), &signs, &mut msg, &mut beta);
                let case = Case::new("compare_final", p.args(), words(n, levels)).with(party(first));
                let case = case.input("keys", &keys).input("mine", &mine).input("theirs", &theirs);
                let case = case.input("signs", &signs).output("msg", &msg).output("beta", &beta);
                all.push(match products {
                    Some(products) => case.input("products", &products),
                    None => case,
                });
            }
        }
    }
    all
}

pub fn pick(draw: &mut Draw) -> Vec<Case> {
    use reference::pick::*;
    let mut all = vec![];
    for n in EIGHTS {
        for first in [0, 1] {
            let [n0, n1, n2] = [(); 3].map(|_| draw.halves(1)[0]);
            let p = Params { n, n0, n1, n2 };
            let (keys, [mine, theirs]) = (draw.halves(16), [(); 2].map(|_| draw.halves(n / 4)));
            let signs = draw.halves(words(n, 1));
            let dealt = (first == 0).then(|| draw.halves(4 * n));
            let (mut bits, mut chosen) = (poisoned(words(n, 1)), poisoned(n));
            pick(&p, &keys, [&mine, &theirs, &signs], dealt.as_deref(), &mut bits, &mut chosen);
            let case = Case::new("pick", p.args(), words(n, 1)).with(party(first)).input("mine", &mine);
            let case = case.input("theirs", &theirs).input("signs", &signs);
            let case = case.output("bits", &bits).output("words", &chosen);
            all.push(match dealt {
                Some(dealt) => case.input("dealt", &dealt),
                None => case.input("keys", &keys),
            });
        }
    }
    all
}

pub fn pick_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::pick_deal::*;
    let mut all = vec![];
    for n in EIGHTS {
        for sign in [0, 13, 31, 40] {
            let [m0, m1, m2, n0, n1, n2] = [(); 6].map(|_| draw.halves(1)[0]);
            let p = Params { n, sign, m0, m1, m2, n0, n1, n2 };
            let (keys, lam) = (draw.halves(16), draw.words(n));
            let mut msg = poisoned(4 * n);
            pick_deal(&p, &keys, &lam, &mut msg);
            let case = Case::new("pick_deal", p.args(), words(n, 1)).input("keys", &keys).input("lam", &lam);
            all.push(case.output("msg", &msg));
        }
    }
    all
}

/// Rows, pairs of a row, width: of any size, and with `eights` of multiples of 8.
fn levels(eights: bool) -> [(usize, usize, usize); 5] {
    if eights {
        [(1, 8, 16), (3, 8, 8), (2, 24, 40), (5, 56, 112), (1, 520, 1040)]
    } else {
        [(1, 1, 2), (7, 3, 5), (2, 39, 77), (33, 4, 7), (1, 500, 1000)]
    }
}

pub fn pairs(draw: &mut Draw) -> Vec<Case> {
    use reference::pairs::*;
    let mut all = vec![];
    for eights in [false, true] {
        for (rows, half, width) in levels(eights) {
            let p = Params { n: rows * half, half, width, shift: draw.within(0..=8) };
            let (x, mut out) = (draw.words(rows * width), poisoned(p.n));
            pairs(&p, &x, &mut out);
            let case = Case::new("pairs", p.args(), p.n.div_ceil(8)).input("x", &x).output("out", &out);
            all.push(if eights { case.with("EIGHTS") } else { case });
        }
    }
    all
}

pub fn maximum(draw: &mut Draw) -> Vec<Case> {
    use reference::maximum::*;
    let mut all = vec![];
    for (eights, first) in [false, true].into_iter().flat_map(|e| [(e, 0), (e, 1)]) {
        for (rows, half, width) in levels(eights) {
            let [n0, n1, n2, m0, m1, m2] = [(); 6].map(|_| draw.halves(1)[0]);
            let n = rows * half;
            let p = Params { n, half, width, shift: draw.within(0..=8), first, m0, m1, m2, n0, n1, n2 };
            let (keys, bits) = (draw.halves(16), draw.halves(n.div_ceil(32)));
            let [delta, lam] = [(); 2].map(|_| draw.words(rows * width));
            let dealt = (first == 0).then(|| draw.halves(n.next_multiple_of(8)));
            let (mut out, mut msg) = (poisoned(n), poisoned(n.div_ceil(8) * 4));
            let x = Inputs { delta: &delta, lam: &lam, bits: &bits };
            maximum(&p, &keys, &x, dealt.as_deref(), &mut out, &mut msg);
            let case = Case::new("maximum", p.args(), n.div_ceil(32)).with(party(first)).input("keys", &keys);
            let case = case.input("delta", &delta).input("lam", &lam).input("bits", &bits);
            let case = case.output("out", &out).output("msg", &msg);
            let case = if eights { case.with("EIGHTS") } else { case };
            all.push(match dealt {
                Some(dealt) => case.input("dealt", &dealt),
                None => case,
            });
        }
    }
    all
}

pub fn maximum_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::maximum_deal::*;
    let mut all = vec![];
    for n in EIGHTS {
        let [n0, n1, n2] = [(); 3].map(|_| draw.halves(1)[0]);
        let p = Params { n, n0, n1, n2 };
        let (keys, lam, bits) = (draw.halves(16), draw.words(n), draw.halves(n.div_ceil(32)));
        let mut msg = poisoned(n);
        maximum_deal(&p, &keys, &lam, &bits, &mut msg);
        let case = Case::new("maximum_deal", p.args(), n.div_ceil(16)).input("keys", &keys).input("lam", &lam);
        all.push(case.input("bits", &bits).output("msg", &msg));
    }
    all
}
