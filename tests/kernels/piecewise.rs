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

/// A table with its shape.
struct Shape {
    n: usize,
    k: u32,
    wide: bool,
    thresholds: usize,
    segments: usize,
    selected: usize,
    degree: usize,
    table: Vec<u64>,
}

impl Shape {
    /// Dealt words of an element.
    fn words(&self) -> usize {
        self.degree - 1 + self.selected * (self.degree + 1)
    }

    /// Words of an element that say what changes for the signed reading.
    fn changes(&self) -> usize {
        if self.wide { 1 + self.degree * (1 + self.selected) } else { 0 }
    }

    /// Whether there is nothing to select.
    fn always(&self) -> bool {
        self.thresholds == 0
    }

    /// Parameters that a kernel without a selection lacks.
    fn args(&self, mut args: Vec<(&'static str, Word)>) -> Vec<(&'static str, Word)> {
        args.retain(|(name, _)| !self.always() || !["segments", "levels"].contains(name));
        args
    }

    fn case(&self, case: Case) -> Case {
        let case = case.with(["D1", "D2", "D3", "D4"][self.degree - 1]);
        let case = if self.always() { case.with("ALWAYS") } else { case };
        if self.wide { case.with("WIDE") } else { case }
    }
}

fn shapes(draw: &mut Draw) -> Vec<Shape> {
    let mut all = vec![];
    for degree in 1..=4 {
        for thresholds in [0, 1, 3, 4] {
            for wide in [false, true] {
                let segments = segments(thresholds);
                let table = segments.iter().flat_map(|(below, above)| {
                    let mut row = vec![u64::from(*below), u64::from(*above)];
                    row.extend(draw.words(degree + 1));
                    row
                });
                let table = table.collect();
                all.push(Shape {
                    n: draw.pick(&EIGHTS),
                    k: draw.pick(&[4, 31, 32, 33, if wide { 63 } else { 64 }]),
                    wide,
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

pub fn piecewise(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise::*;
    let mut all = vec![];
    for shape in shapes(draw) {
        for first in [0, 1] {
            let Shape { n, k, segments, degree, wide, .. } = shape;
            let p = Params { n, k, segments, levels: shape.thresholds, first };
            let (delta, dealt) = (draw.words(n), draw.words((n * shape.words()).max(8)));
            let bits = draw.halves(n.div_ceil(32) * shape.thresholds);
            let (lam, change) = (draw.words(n), draw.words(n * shape.changes()));
            let mut out = poisoned(n);
            let inputs = Inputs { delta: &delta, bits: &bits, dealt: &dealt, change: &change, lam: &lam };
            piecewise(degree, wide, &p, &inputs, &shape.table, &mut out);
            let case = shape.case(Case::new("piecewise", shape.args(p.args()), n / 8)).input("delta", &delta);
            let case = case.input("table", &shape.table).input("dealt", &dealt);
            let case = if shape.always() { case } else { case.input("bits", &bits) };
            let case = if wide { case.input("change", &change) } else { case };
            all.push(case.input("lam", &lam).output("out", &out));
        }
    }
    all
}

pub fn piecewise_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise_deal::*;
    let mut all = vec![];
    for shape in shapes(draw).into_iter().filter(|s| s.words() + s.changes() > 0) {
        let Shape { n, k, segments, degree, wide, .. } = shape;
        let p = Params { n, k, segments, levels: shape.thresholds };
        let (lam, bits) = (draw.words(n), draw.halves(n.div_ceil(32) * shape.thresholds));
        let (mut out, mut change) = (poisoned(n * shape.words()), poisoned(n * shape.changes()));
        piecewise_deal(degree, &p, &lam, &bits, &shape.table, &mut out, wide.then_some(&mut change));
        let case = shape.case(Case::new("piecewise_deal", shape.args(p.args()), n / 8)).input("lam", &lam);
        let case = if shape.always() { case } else { case.input("bits", &bits).input("table", &shape.table) };
        let case = case.output("out", &out);
        all.push(if wide { case.output("change", &change) } else { case });
    }
    all
}
