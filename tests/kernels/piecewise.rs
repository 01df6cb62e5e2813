//! Piecewise polynomials.

use masque_engine::gpu::Word;
use masque_engine::reference;
use reference::segment::NONE;

use crate::case::{Case, Draw, EIGHTS, poisoned};

/// Borders (below, above) of the segments between `thresholds` thresholds.
fn segments(thresholds: u32) -> Vec<(u32, u32)> {
    let lower = |s: u32| if s == 0 { NONE } else { s - 1 };
    let upper = |s: u32| if s == thresholds { NONE } else { s };
    (0..=thresholds).map(|s| (upper(s), lower(s))).collect()
}

/// Tables by their number of thresholds and their segments: one that is always on, all segments, or one of them.
fn tables() -> Vec<(u32, Vec<(u32, u32)>)> {
    let all = [0, 1, 3, 4].map(|thresholds| (thresholds, segments(thresholds)));
    let one = [(1, 0), (1, 1), (2, 1), (4, 3)].map(|(thresholds, s)| (thresholds, vec![segments(thresholds)[s]]));
    all.into_iter().chain(one).collect()
}

/// A table with its shape.
struct Shape {
    n: usize,
    k: u32,
    /// Bits of dealt words, and of what changes.
    widths: (Option<u32>, Option<u32>),
    thresholds: usize,
    segments: usize,
    selected: usize,
    degree: usize,
    table: Vec<u64>,
}

impl Shape {
    /// Sections of an element's dealt words, given how many there are for all segments and for each.
    fn sections(&self, all: usize, each: usize) -> Vec<usize> {
        match self.selected {
            1 => vec![all + each],
            n => std::iter::once(all).chain(std::iter::repeat_n(each, n)).collect(),
        }
    }

    /// Of dealt words.
    fn words(&self) -> Vec<usize> {
        self.sections(self.degree - 1, self.degree + 1)
    }

    /// Of those that say what changes for the signed reading.
    fn changes(&self) -> Vec<usize> {
        if self.widths.1.is_some() { self.sections(1 + self.degree, self.degree) } else { vec![] }
    }

    /// Whether there is nothing to select.
    fn always(&self) -> bool {
        self.thresholds == 0
    }

    /// Whether variants.txt has this with `CUT`.
    fn cuts(&self) -> bool {
        self.widths == (Some(28), Some(4)) && self.selected == 1 && self.degree <= 2
    }

    /// Less the parameters that a kernel without a selection, without a message or without `CUT` lacks.
    fn args(&self, mut args: Vec<(&'static str, Word)>, cut: bool) -> Vec<(&'static str, Word)> {
        args.retain(|(name, _)| match *name {
            "segments" => self.selected > 1,
            "levels" => !self.always(),
            name if name.starts_with("dealt") => self.widths.0.is_some(),
            "ring" | "cut" | "add" => cut,
            name if name.starts_with("change") => self.widths.1.is_some(),
            _ => true,
        });
        args
    }

    /// Whether variants.txt has this with `ADD`.
    fn adds(&self) -> bool {
        let widths = [(Some(12), None), (Some(28), Some(4))].contains(&self.widths);
        widths && (self.selected == 1 && self.degree <= 2 || self.always() && [2, 4].contains(&self.degree))
    }

    fn case(&self, case: Case) -> Case {
        let case = case.with(["D1", "D2", "D3", "D4"][self.degree - 1]);
        let case = if self.always() { case.with("ALWAYS") } else { case };
        let case = if self.selected == 1 { case.with("ONE") } else { case };
        let case = self.widths.0.into_iter().fold(case, Case::bits);
        self.widths.1.into_iter().fold(case, Case::second)
    }
}

/// The widths that variants.txt has.
const WIDTHS: [(u32, Option<u32>); 4] = [(12, None), (44, None), (28, Some(4)), (60, Some(40))];
const ALONE: [Option<u32>; 4] = [None, Some(4), Some(20), Some(40)];

fn shapes(draw: &mut Draw) -> Vec<Shape> {
    let mut all = vec![];
    for degree in 1..=4 {
        for (thresholds, segments) in tables() {
            let widths: Vec<_> = match (degree, thresholds) {
                (1, 0) => ALONE.map(|s| (None, s)).to_vec(),
                _ => WIDTHS.map(|(k, s)| (Some(k), s)).to_vec(),
            };
            for widths in widths {
                let table = segments.iter().flat_map(|(below, above)| {
                    let mut row = vec![u64::from(*below), u64::from(*above)];
                    row.extend(draw.words(degree + 1));
                    row
                });
                let table = table.collect();
                all.push(Shape {
                    n: draw.pick(&EIGHTS),
                    k: draw.pick(&[4, 31, 32, 33, if widths.1.is_some() { 63 } else { 64 }]),
                    widths,
                    thresholds: thresholds as usize,
                    segments: segments.len(),
                    selected: segments.iter().filter(|s| **s != (NONE, NONE)).count(),
                    degree,
                    table,
                });
            }
        }
    }
    all
}

/// Addresses of the two streams.
fn nonces(draw: &mut Draw) -> [[u32; 3]; 2] {
    [(); 2].map(|_| [draw.within(0..=9), draw.halves(1)[0], 7])
}

pub fn piecewise(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise::*;
    let mut all = vec![];
    for shape in shapes(draw) {
        let kinds = [(true, ""), (shape.adds(), "ADD"), (shape.cuts(), "CUT")];
        let kinds = kinds.into_iter().filter_map(|(shipped, kind)| shipped.then_some(kind));
        let roles = [(true, 1), (false, 0), (false, 1)];
        for (kind, (client, first)) in kinds.flat_map(|kind| roles.map(|r| (kind, r))) {
            let Shape { n, k, segments, degree, widths, .. } = shape;
            let [[dealt0, dealt1, dealt2], [change0, change1, change2]] = nonces(draw);
            let levels = shape.thresholds;
            let (ring, cut, add) = match kind {
                "CUT" => (draw.within(20..=64), draw.within(1..=19), draw.words(1)[0]),
                _ => (64, 0, 0),
            };
            let p = Params {
                n,
                k,
                segments,
                levels,
                first,
                dealt0,
                dealt1,
                dealt2,
                change0,
                change1,
                change2,
                ring,
                cut,
                add,
            };
            let (keys, delta, lam) = (draw.halves(16), draw.words(n), draw.words(n));
            let bits = draw.halves(n.div_ceil(32) * levels);
            let mut words = |k: Option<u32>, nonce: [u32; 3], sections: &[usize]| {
                let (k, words) = (k.unwrap_or(4), n * sections.iter().sum::<usize>());
                let message = (!client).then(|| draw.halves(words * k as usize / 32));
                (dealt(&keys, nonce, message.as_deref(), k, n, sections), message)
            };
            let (own, message) = words(widths.0, [dealt0, dealt1, dealt2], &shape.words());
            let (change, change_message) = words(widths.1, [change0, change1, change2], &shape.changes());
            let mut out = poisoned(n);
            let sum = (kind == "ADD").then(|| draw.words(n));
            let sum = sum.as_deref();
            let inputs = Inputs { delta: &delta, bits: &bits, dealt: &own, change: &change, lam: &lam, sum };
            piecewise(degree, widths.1.is_some(), &p, &inputs, &shape.table, &mut out);
            let case = shape.case(Case::new("piecewise", shape.args(p.args(), cut > 0), n / 8)).input("delta", &delta);
            let case = case.with(if client { "CLIENT" } else { "SERVER" }).input("table", &shape.table);
            let case = if client { case.input("keys", &keys) } else { case };
            let case = if shape.always() { case } else { case.input("bits", &bits) };
            let case = if cut > 0 { case.with("CUT") } else { case };
            let case = sum.into_iter().fold(case, |case, sum| case.with("ADD").input("sum", sum));
            let messages = [("dealt", widths.0, message), ("change", widths.1, change_message)];
            let case = messages.into_iter().fold(case, |case, (name, width, message)| match (width, message) {
                (Some(_), Some(message)) => case.input(name, &message),
                _ => case,
            });
            all.push(case.input("lam", &lam).output("out", &out));
        }
    }
    all
}

pub fn piecewise_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise_deal::*;
    let mut all = vec![];
    for shape in shapes(draw).into_iter().filter(|s| s.widths != (None, None)) {
        let Shape { n, k, segments, degree, widths, .. } = shape;
        let [[dealt0, dealt1, dealt2], [change0, change1, change2]] = nonces(draw);
        let levels = shape.thresholds;
        let p = Params { n, k, segments, levels, dealt0, dealt1, dealt2, change0, change1, change2 };
        let (keys, lam, bits) = (draw.halves(16), draw.words(n), draw.halves(n.div_ceil(32) * levels));
        let message = |k: Option<u32>, sections: Vec<usize>| {
            let words = n * sections.iter().sum::<usize>();
            k.map(|k| (k, sections, poisoned(words * k as usize / 32)))
        };
        let mut messages = [message(widths.0, shape.words()), message(widths.1, shape.changes())];
        let filled = messages.each_mut().map(|m| m.as_mut().map(|(k, s, msg)| (*k, &s[..], &mut msg[..])));
        piecewise_deal(degree, &p, &keys, &lam, &bits, &shape.table, filled);
        let case = shape.case(Case::new("piecewise_deal", shape.args(p.args(), false), n / 8)).input("lam", &lam);
        let case = if shape.always() { case } else { case.input("bits", &bits).input("table", &shape.table) };
        let outputs = ["dealt", "change"].into_iter().zip(messages);
        all.push(outputs.fold(case.input("keys", &keys), |case, (name, message)| match message {
            Some((.., message)) => case.output(name, &message),
            None => case,
        }));
    }
    all
}

#[test]
fn no_two_dealt_words_have_the_same_mask() {
    let n = 40;
    for k in [4, 16, 20, 32, 36, 64] {
        for sections in [&[1][..], &[7], &[0, 2], &[3, 5, 5], &[1, 4, 4, 4], &[2, 1, 1]] {
            let words: usize = sections.iter().sum();
            let all = (0..words).flat_map(|word| (0..n).map(move |t| (word, t)));
            let places = all.map(|(word, t)| reference::piecewise::place(k, n, sections, word, t));
            let distinct: std::collections::HashSet<usize> = places.collect();
            assert_eq!(distinct.len(), words * n, "{k} bits, sections {sections:?}");
        }
    }
}
