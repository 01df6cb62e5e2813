//! Kernels of one thread per element, and sums.

use masque_engine::protocol::Map;
use masque_engine::reference;

use crate::case::{Case, Draw, SIZES, poisoned};

/// Threads that need a second row of workgroups (`shared/thread.wgsl`).
const SECOND_ROW: usize = 32768 * 64 + 1000;

/// Broadcasts onto `n` elements, with the length of the smaller tensor.
fn maps(n: usize) -> Vec<(Map, usize)> {
    vec![
        (Map::SAME, n),
        (Map::per_row(7), n.div_ceil(7)),
        (Map::per_row(1), n),
        (Map::per_column(5), 5),
        (Map::per_column(n), n),
        (Map::per_group(3, 8, 4), n.div_ceil(24) * 4),
    ]
}

pub fn affine(draw: &mut Draw) -> Vec<Case> {
    use reference::affine::*;
    let mut all = vec![];
    for n in SIZES {
        let block = draw.pick(&[0, 1, 5]);
        for (m, len) in maps(8 * block + n) {
            let (a, b) = (draw.words(n), draw.words(len));
            let p = Params { n, ca: draw.word(), cc: draw.word() };
            let mut out = poisoned(n);
            affine(&p, &a, &mut out);
            all.push(Case::new("affine", p.args(), n).input("a", &a).output("out", &out));
            let (other, p) = (draw.words(n), SameParams { n, ca: draw.word(), cb: draw.word(), cc: draw.word() });
            same(&p, &a, &other, &mut out);
            let case = Case::new("affine", p.args(), n).with("SAME").input("a", &a).input("b", &other);
            all.push(case.output("out", &out));
            let Map { od, om, id, im } = m;
            let p = TwoParams { n, block, od, om, id, im, ca: draw.word(), cb: draw.word(), cc: draw.word() };
            two(&p, &a, &b, &mut out);
            let case = Case::new("affine", p.args(), n).with("TWO").input("a", &a).input("b", &b);
            all.push(case.output("out", &out));
        }
    }
    all
}

pub fn multiply(draw: &mut Draw) -> Vec<Case> {
    use reference::multiply::*;
    let mut all = vec![];
    for n in SIZES {
        let block = draw.pick(&[0, 1, 5]);
        for (m, len) in maps(8 * block + n) {
            let Map { od, om, id, im } = m;
            let p = Params { n, block, first: draw.within(0..=1), od, om, id, im };
            let [lx, dx, c] = [(); 3].map(|_| draw.words(n));
            let [ly, dy] = [(); 2].map(|_| draw.words(len));
            let case = || Case::new("multiply", p.args(), n).input("lx", &lx).input("ly", &ly);
            let mut out = poisoned(n);
            multiply(&p, &lx, &ly, &dx, &dy, &c, &mut out);
            all.push(case().input("dx", &dx).input("dy", &dy).input("c", &c).output("out", &out));
            dealer(&p, &lx, &ly, &mut out);
            all.push(case().with("DEALER").output("out", &out));
        }
        let same = SameParams { n, first: draw.within(0..=1) };
        let p = Params::from(&same);
        let [lx, ly, dx, dy, c] = [(); 5].map(|_| draw.words(n));
        let case = || Case::new("multiply", same.args(), n).with("SAME").input("lx", &lx).input("ly", &ly);
        let mut out = poisoned(n);
        multiply(&p, &lx, &ly, &dx, &dy, &c, &mut out);
        all.push(case().input("dx", &dx).input("dy", &dy).input("c", &c).output("out", &out));
        dealer(&p, &lx, &ly, &mut out);
        all.push(case().with("DEALER").output("out", &out));
    }
    all
}

pub fn truncate(draw: &mut Draw) -> Vec<Case> {
    use reference::truncate::*;
    let mut all = vec![];
    for k in 1..=64 {
        for shift in [0, draw.within(0..=k - 1), k - 1] {
            let n = draw.pick(&SIZES);
            let p = Params { n, k, shift, add: draw.pick(&[0, (1 << shift) - 1, u64::MAX]) };
            let (x, mut out) = (draw.words(n), poisoned(n));
            truncate(&p, &x, &mut out);
            all.push(Case::new("truncate", p.args(), n).input("x", &x).output("out", &out));
        }
    }
    all
}

/// Rings of wires, and the bits that are dealt for what lies above them.
fn lifts(draw: &mut Draw) -> Vec<(u32, u32)> {
    let widths = (1..=16).map(|quarter| 4 * quarter);
    widths.flat_map(|bits| [2, draw.within(2..=67 - bits), (67 - bits).min(63)].map(|k| (k, bits))).collect()
}

pub fn lift(draw: &mut Draw) -> Vec<Case> {
    use reference::lift::*;
    let mut all = vec![];
    for (k, bits) in lifts(draw) {
        for client in [false, true] {
            let (n, [n0, n1, n2, block]) = (draw.pick(&SIZES), [(); 4].map(|_| draw.halves(1)[0]));
            let p = Params { n, k, n0, n1, n2, block: block >> 8 };
            let delta: Vec<u64> = draw.words(n).iter().map(|d| reference::ring::r_low(*d, k)).collect();
            let (keys, lam) = (draw.halves(16), draw.words(n));
            let dealt = (!client).then(|| draw.halves(n.div_ceil(8) * bits as usize / 2));
            let mut out = poisoned(n);
            lift(bits, &p, &keys, [&delta, &lam], dealt.as_deref(), &mut out);
            let case = Case::new("lift", p.args(), n.div_ceil(16)).bits(bits).input("delta", &delta);
            let case = case.input("lam", &lam).output("out", &out);
            all.push(match dealt {
                Some(dealt) => case.with("SERVER").input("dealt", &dealt),
                None => case.with("CLIENT").input("keys", &keys),
            });
        }
    }
    all
}

pub fn lift_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::lift_deal::*;
    let mut all = vec![];
    for (k, bits) in lifts(draw) {
        let (n, [n0, n1, n2, block]) = (draw.pick(&SIZES), [(); 4].map(|_| draw.halves(1)[0]));
        let p = Params { n, k, n0, n1, n2, block: block >> 8 };
        let (keys, lam) = (draw.halves(16), draw.words(n));
        let mut msg = poisoned(n.div_ceil(8) * bits as usize / 2);
        lift_deal(bits, &p, &keys, &lam, &mut msg);
        let case = Case::new("lift_deal", p.args(), n.div_ceil(16)).bits(bits).input("keys", &keys);
        all.push(case.input("lam", &lam).output("msg", &msg));
    }
    all
}

pub fn reduce(draw: &mut Draw) -> Vec<Case> {
    use reference::reduce::*;
    let mut all = vec![];
    let rows = |groups, cols, parts, first| Params {
        groups,
        parts,
        len: cols,
        offset: 0,
        jd: 1,
        jo: cols,
        ji: 0,
        rd: cols,
        ro: cols,
        first,
        out_row: parts,
        out_start: 0,
    };
    let channels = |images: usize, positions: usize, channels: usize, groups: usize, parts, first| Params {
        groups: images * groups,
        parts,
        len: positions * (channels / groups),
        offset: 0,
        jd: groups,
        jo: positions * channels,
        ji: channels / groups,
        rd: channels / groups,
        ro: channels,
        first,
        out_row: parts,
        out_start: 0,
    };
    for first in [0, 1] {
        for p in [
            rows(1, 1, 1, first),
            rows(5, 9, 1, first),
            rows(64, 7, 2, first),
            rows(3, 5, 8, first), // more parts than elements
            rows(2, 1000, 15, first),
            channels(1, 1, 4, 2, 1, first),
            channels(3, 49, 8, 4, 1, first),
            channels(2, 65, 12, 3, 4, first),
            // A window of a larger tensor, beside the sums of others.
            Params { offset: 27, out_row: 9, out_start: 4, ..rows(5, 9, 2, first) },
            Params { offset: 1, out_row: 4, out_start: 13, ..channels(2, 65, 12, 3, 4, first) },
        ] {
            let n = p.offset
                + (p.groups / p.jd - usize::from(p.groups % p.jd == 0)) * p.jo
                + p.ji * p.jd
                + p.len * (p.ro / p.rd);
            let (x, lam) = (draw.words(n), draw.words(n));
            let case = || Case::new("reduce", p.args(), p.groups * p.parts).input("x", &x);
            let mut out = poisoned(p.out_start + p.groups * p.out_row);
            reduce(&p, &x, &mut out);
            all.push(case().output("out", &out));
            square(&p, &x, &mut out);
            all.push(case().with("SQUARE").output("out", &out));
            wire(&p, &x, &lam, &mut out);
            all.push(case().with("WIRE").input("lam", &lam).output("out", &out));
        }
    }
    all
}

pub fn encode(draw: &mut Draw) -> Vec<Case> {
    use reference::encode::*;
    let mut all = vec![];
    for bits in 1..=30 {
        let n = draw.pick(&SIZES);
        let p = Params { n, scale: f32::from_bits((127 + bits) << 23) * draw.pick(&[1.0, -1.0]) };
        // In [-2, 2), every fourth a tie of the rounding.
        let mut x: Vec<f32> = draw.words(n).iter().map(|w| (*w as i64 as f64 / 2f64.powi(62)) as f32).collect();
        for x in x.iter_mut().step_by(4) {
            *x = ((f64::from(*x * p.scale).floor() + 0.5) / f64::from(p.scale)) as f32;
        }
        x.iter_mut().for_each(|x| *x = x.clamp(-1.99, 1.99));
        let mut out = poisoned(n);
        encode(&p, &x, &mut out);
        all.push(Case::new("encode", p.args(), n).input("x", &x).output("out", &out));
    }
    all
}

pub fn guidance(draw: &mut Draw) -> Vec<Case> {
    use reference::guidance::*;
    let mut all = vec![];
    for n in SIZES {
        for guided in [0, 1] {
            let [cz, ca, cb, cc] = [(); 4].map(|_| draw.word());
            let [z, e, u] = [n, n * (1 + guided as usize), n].map(|n| draw.words(n));
            let mut out = poisoned(n);
            let p = Params { n, guided, cz, ca, cb };
            guidance(&p, &z, &e, &mut out);
            all.push(Case::new("guidance", p.args(), n).input("z", &z).input("e", &e).output("out", &out));
            let p = KnownParams { n, guided, cz, ca, cb, cc };
            known(&p, &z, &e, &u, &mut out);
            let case = Case::new("guidance", p.args(), n).with("KNOWN").input("z", &z).input("e", &e);
            all.push(case.input("u", &u).output("out", &out));
        }
    }
    all
}

/// Copies of elements of one type, with the switches that stand for it.
fn copies<T: bytemuck::Pod>(all: &mut Vec<Case>, element: &[&'static str], mut draw: impl FnMut(usize) -> Vec<T>) {
    use reference::copy::*;
    let case = |args, n| element.iter().fold(Case::new("copy", args, n), |c, define| c.with(define));
    for (rows, cols, before, after) in [(1, 1, 0, 0), (9, 1, 0, 3), (8, 8, 5, 0), (65, 3, 2, 2), (31, 33, 1, 0)] {
        let n = rows * cols;
        let stride = cols + after;
        let p = Params { n, cols, stride, start: after, out_stride: before + cols + 1, out_start: before };
        let (x, mut out) = (draw(rows * stride), poisoned(rows * p.out_stride));
        copy(&p, &x, &mut out);
        all.push(case(p.args(), n).input("x", &x).output("out", &out));
    }
    for (images, h, w, c) in [(1, 2, 2, 1), (1, 2, 6, 5), (3, 14, 14, 3), (2, 4, 10, 8)] {
        let n = images * h * w * c;
        let p = UpsampleParams { n, cols: c, stride: c + 1, start: 1, out_stride: c + 2, out_start: 2, h, w };
        let (x, mut out) = (draw(n / c / 4 * p.stride), poisoned(n / c * p.out_stride));
        upsampled(&p, &x, &mut out);
        all.push(case(p.args(), n).with("UPSAMPLE").input("x", &x).output("out", &out));
    }
}

pub fn copy(draw: &mut Draw) -> Vec<Case> {
    let mut all = vec![];
    copies(&mut all, &[], |n| draw.words(n));
    copies(&mut all, &["F32"], |n| draw.words(n).iter().map(|x| *x as f32 - 3e17).collect());
    copies(&mut all, &["WIDE"], |n| draw.halves(4 * n).chunks(4).map(|x| [x[0], x[1], x[2], x[3]]).collect());
    all
}

pub fn xor(draw: &mut Draw) -> Vec<Case> {
    use reference::xor::*;
    let mut all = vec![];
    for n in SIZES.into_iter().chain([SECOND_ROW]) {
        let (p, a, b, mut out) = (Params { n }, draw.halves(n), draw.halves(n), poisoned(n));
        xor(&p, &a, &b, &mut out);
        all.push(Case::new("xor", p.args(), n).input("a", &a).input("b", &b).output("out", &out));
    }
    all
}
