//! Kernels of comparisons.

use masque_engine::reference;

use crate::case::{Case, Draw, EIGHTS, poisoned};

/// Bits `lo..hi` that are compared, from one nibble to all 64.
const WINDOWS: [(u32, u32); 10] =
    [(0, 2), (62, 64), (3, 8), (0, 5), (4, 21), (0, 18), (10, 28), (0, 33), (1, 50), (0, 64)];

/// Groups of four nibbles below the sign bit.
fn groups(lo: u32, hi: u32) -> usize {
    (hi - lo - 1).div_ceil(16) as usize
}

pub fn compare_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_deal::*;
    let mut all = vec![];
    for (lo, hi) in WINDOWS {
        for n in EIGHTS {
            let p = Params { n, groups: groups(lo, hi), lo, hi };
            let (lam, mut out) = (draw.words(n), poisoned(n * p.groups));
            compare_deal(&p, &lam, &mut out);
            all.push(Case::new("compare_deal", p.args(), n * p.groups / 8).input("lam", &lam).output("out", &out));
        }
    }
    all
}

pub fn compare_products(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_products::*;
    let mut all = vec![];
    for n in EIGHTS {
        for instances in [1, 3] {
            let p = Params { count: n * instances, n, sign: draw.within(0..=63) };
            let (masks, lam, mut out) = (draw.words(p.count), draw.words(n), poisoned(p.count));
            compare_products(&p, &masks, &lam, &mut out);
            let case = Case::new("compare_products", p.args(), p.count / 8).input("masks", &masks).input("lam", &lam);
            all.push(case.output("out", &out));
        }
    }
    all
}

pub fn compare_leaf(draw: &mut Draw) -> Vec<Case> {
    use reference::compare_leaf::*;
    let mut all = vec![];
    for (i, (lo, hi)) in WINDOWS.into_iter().enumerate() {
        for levels in [1, 2, 5] {
            for first in [0, 1] {
                let n = EIGHTS[(i + levels) % EIGHTS.len()];
                let p = Params { n, groups: groups(lo, hi), count: levels * groups(lo, hi) * n, lo, hi, first };
                let [delta, thresholds, leaves, masks] = [n, levels, p.groups * n, p.count].map(|n| draw.words(n));
                let mut msg = poisoned(p.count.div_ceil(4));
                compare_leaf(&p, &delta, &thresholds, &leaves, &masks, &mut msg);
                let case = Case::new("compare_leaf", p.args(), p.count / 8).input("delta", &delta);
                let case = case.input("thresholds", &thresholds).input("leaves", &leaves).input("masks", &masks);
                all.push(case.output("msg", &msg));
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
                let p = Params { n, groups, count: levels * n, first };
                let instances = levels * groups * n;
                let [mine, theirs] = [(); 2].map(|_| draw.halves(instances.div_ceil(4)));
                let [masks, products, next] = [instances, instances, p.count].map(|n| draw.words(n));
                let mut msg = poisoned(p.count.div_ceil(4));
                compare_level(&p, [&mine, &theirs], &masks, &products, &next, &mut msg);
                let case = Case::new("compare_level", p.args(), p.count / 8).input("mine", &mine);
                let case = case.input("theirs", &theirs).input("masks", &masks).input("products", &products);
                all.push(case.input("next", &next).output("msg", &msg));
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
                let p = Params { n, count: levels * n, hi: draw.within(2..=64), first };
                let [mine, theirs] = [(); 2].map(|_| draw.halves(p.count.div_ceil(4)));
                let [masks, products, delta, thresholds] = [p.count, p.count, n, levels].map(|n| draw.words(n));
                let mut msg = poisoned(p.count.div_ceil(32));
                compare_final(&p, [&mine, &theirs], &masks, &products, &delta, &thresholds, &mut msg);
                let case = Case::new("compare_final", p.args(), p.count.div_ceil(32)).input("mine", &mine);
                let case = case.input("theirs", &theirs).input("masks", &masks).input("products", &products);
                all.push(case.input("delta", &delta).input("thresholds", &thresholds).output("msg", &msg));
            }
        }
    }
    all
}
