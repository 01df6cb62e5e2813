//! Right-hand sides in narrow formats give the products of the whole words.

use super::*;

/// The body on ring words in narrow formats, in every form.
macro_rules! narrow {
    ($body:ident, $cases:expr) => {
        for mut r in recorders() {
            for format in [Format::I32, Format::I16] {
                for case in &$cases {
                    let mut case = case.clone();
                    case.format = format;
                    $body::<u64>(&mut r, &case);
                }
            }
        }
    };
}

#[test]
fn narrow_weights() {
    let shapes = [(1, 1, 1), (9, 5, 9), (33, 8, 4), (40, 16, 5), (5, 3, 33), (70, 32, 20), (130, 64, 16)];
    let modes = [Mode::Set, Mode::Add, Mode::Sub];
    let all = shapes.iter().enumerate();
    let cases: Vec<_> = all
        .map(|(i, (m, k, n))| Product { m: *m, k: *k, n: *n, mode: modes[i % 3], bias: i % 2 == 0, ..PLAIN })
        .collect();
    narrow!(product, cases);
    let s = ConvShape { n: 2, h: 7, w: 6, c: 8, kernel: 3, stride: 1, pad: 1, pad_after: 1, outputs: 24 };
    let odd = ConvShape { n: 1, h: 9, w: 6, c: 3, kernel: 3, stride: 2, pad: 0, pad_after: 1, outputs: 5 };
    let case = |s, mode| Convolution { s, bias: true, mode, seed: 3, format: Format::Ring };
    narrow!(convolution, [case(s, Mode::Add), case(odd, Mode::Set)]);
}

#[test]
fn the_narrowest_format_holds_every_weight() {
    for (words, format) in [
        (vec![], Format::I16),
        (vec![-0x8000, 0x7fff], Format::I16),
        (vec![0, 0x8000], Format::I32),
        (vec![-0x8001], Format::I32),
        (vec![-0x8000_0000, 0x7fff_ffff], Format::I32),
        (vec![0x8000_0000], Format::Ring),
        (vec![-0x8000_0001, 0], Format::Ring),
    ] {
        assert_eq!(Format::of(&words), format, "{words:?}");
    }
}

#[test]
fn every_width_that_is_asked_for() {
    for width in [4, 8, 16, 5] {
        let some = Some(width);
        let tiles = Tiles { f32: some, ring: some, i32: some, i16: some };
        let mut r = Recorder::new(Gpu::open(&AdapterChoice { tiles, ..AdapterChoice::default() }).unwrap());
        let case = Product { m: 33, k: 70, n: 40, bias: true, ..PLAIN };
        product::<f32>(&mut r, &Product { format: Format::F32, ..case.clone() });
        for format in [Format::Ring, Format::I32, Format::I16] {
            product::<u64>(&mut r, &Product { format, ..case.clone() });
        }
    }
}
