//! Piecewise polynomials.

use masque_engine::reference;
use reference::segment::NONE;

use crate::case::{Case, Draw, SIZES, poisoned};

/// Borders (below, above) of the segments between `thresholds` thresholds; with `always` also one that is always on.
fn segments(thresholds: u32, always: bool) -> Vec<(u32, u32)> {
    let lower = |s: u32| if s == 0 { NONE } else { s - 1 };
    let upper = |s: u32| if s == thresholds { NONE } else { s };
    let mut all: Vec<_> = (0..=thresholds).map(|s| (upper(s), lower(s))).collect();
    if always && thresholds > 0 {
        all.insert(1, (NONE, NONE));
    }
    all
}

/// A table with its shape.
struct Shape {
    n: usize,
    k: u32,
    branches: usize,
    thresholds: usize,
    segments: usize,
    selected: usize,
    degree: usize,
    table: Vec<u64>,
}

impl Shape {
    /// Dealt words of an element.
    fn words(&self) -> usize {
        self.branches * self.degree * (1 + self.selected) + self.selected
    }
}

fn shapes(draw: &mut Draw) -> Vec<Shape> {
    let mut all = vec![];
    for degree in 0..=4 {
        for thresholds in [0, 1, 3, 4] {
            for (always, branches) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
                let segments = segments(thresholds, always);
                let table = segments.iter().flat_map(|(below, above)| {
                    let mut row = vec![u64::from(*below), u64::from(*above)];
                    row.extend(draw.words(degree + 1));
                    row
                });
                let table = table.collect();
                all.push(Shape {
                    n: draw.pick(&SIZES),
                    k: draw.pick(&[4, 31, 32, 33, if branches == 2 { 63 } else { 64 }]),
                    branches,
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
            let Shape { n, k, branches, segments, selected, degree, .. } = shape;
            let p = Params { n, k, branches, segments, selected, degree, first };
            let (delta, dealt) = (draw.words(n), draw.words(n * shape.words()));
            let bits = draw.halves((n * shape.thresholds).div_ceil(32));
            let mut out = poisoned(n);
            piecewise(&p, &delta, &bits, &shape.table, &dealt, &mut out);
            let case = Case::new("piecewise", p.args(), n).input("delta", &delta).input("bits", &bits);
            all.push(case.input("table", &shape.table).input("dealt", &dealt).output("out", &out));
        }
    }
    all
}

pub fn piecewise_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise_deal::*;
    let mut all = vec![];
    for shape in shapes(draw) {
        let Shape { n, k, branches, segments, selected, degree, .. } = shape;
        let p = Params { n, k, branches, segments, selected, degree };
        let (lam, masks) = (draw.words(n), draw.words(n * shape.thresholds));
        let mut out = poisoned(n * shape.words());
        piecewise_deal(&p, &lam, &masks, &shape.table, &mut out);
        let case = Case::new("piecewise_deal", p.args(), n).input("lam", &lam).input("masks", &masks);
        all.push(case.input("table", &shape.table).output("out", &out));
    }
    all
}

/// Shapes of degree 1 over whole groups of eight.
fn linear(draw: &mut Draw) -> Vec<Shape> {
    let shapes = shapes(draw).into_iter().filter(|s| s.degree == 1);
    shapes.map(|s| Shape { n: draw.pick(&[8, 64, 1000, 4104]), ..s }).collect()
}

pub fn piecewise_linear(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise_linear::*;
    let mut all = vec![];
    for shape in linear(draw) {
        for first in [0, 1] {
            let Shape { n, k, branches, segments, selected, .. } = shape;
            let p = Params { n, k, branches, segments, selected, first };
            let (delta, dealt) = (draw.words(n), draw.words(n * shape.words()));
            let bits = draw.halves((n * shape.thresholds).div_ceil(32));
            let mut out = poisoned(n);
            piecewise_linear(&p, &delta, &bits, &shape.table, &dealt, &mut out);
            let case = Case::new("piecewise_linear", p.args(), n / 8).input("delta", &delta).input("bits", &bits);
            all.push(case.input("table", &shape.table).input("dealt", &dealt).output("out", &out));
        }
    }
    all
}

pub fn piecewise_linear_deal(draw: &mut Draw) -> Vec<Case> {
    use reference::piecewise_linear_deal::*;
    let mut all = vec![];
    for shape in linear(draw) {
        let Shape { n, k, branches, segments, selected, .. } = shape;
        let p = Params { n, k, branches, segments, selected };
        let (lam, masks) = (draw.words(n), draw.words(n * shape.thresholds));
        let mut out = poisoned(n * shape.words());
        piecewise_linear_deal(&p, &lam, &masks, &shape.table, &mut out);
        let case = Case::new("piecewise_linear_deal", p.args(), n / 8).input("lam", &lam).input("masks", &masks);
        all.push(case.input("table", &shape.table).output("out", &out));
    }
    all
}
