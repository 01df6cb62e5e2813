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

/// Pairs of words at the edges of signed 16-bit digits against all such pairs: what the portable form says fits a word does.
#[test]
fn edges_of_digits() {
    const EDGES: [u32; 14] = [
        0,
        1,
        0x7fff,
        0x8000,
        0x8001,
        0xffff,
        0x7fff_7fff,
        0x7fff_8000,
        0x8000_0000,
        0x8000_8000,
        0x8000_8001,
        0xffff_8000,
        0xffff_8001,
        u32::MAX,
    ];
    let n = EDGES.len() * EDGES.len();
    let pair = |i: usize| [EDGES[i / EDGES.len()], EDGES[i % EDGES.len()]];
    let bias = vec![u64::from(u32::MAX); n];
    for mut r in recorders() {
        let a: Vec<u64> = (0..n).flat_map(pair).map(|low| u64::from(low) | 0xfedc_ba98 << 32).collect();
        for format in [Format::Ring, Format::I32, Format::I16] {
            let narrow = |low: u32| match format {
                Format::I32 => low as i32 as u64,
                Format::I16 => low as i16 as u64,
                _ => u64::from(low) | 0x8765_4321 << 32,
            };
            let b: Vec<u64> = (0..n).flat_map(pair).map(narrow).collect();
            let (from, with, to) = (Strided::rows(2), Strided::rows(2).transposed(), Strided::rows(n));
            let [a_buf, b_buf, bias_buf] = [&a, &b, &bias].map(|words| r.upload_slice(words).unwrap());
            let packed = pack_with_bias(&mut r, format, &b_buf, with, 2, n, Some(&bias_buf)).unwrap();
            let out = output::<u64>(&r, n * n, None);
            matmul(&mut r, Element::Ring, Mode::Set, &a_buf, from, &packed, &out, to, n).unwrap();
            let exact = reference::matmul::matmul(0, (&a, &from), (&b, &with), Some(&bias), (n, 2, n));
            let want: Vec<_> = exact.into_iter().enumerate().collect();
            let what = format!("{format:?} {:?}", r.gpu().form());
            check(&mut r, &out, &vec![0; n * n], &want, 2, &what);
        }
    }
}
