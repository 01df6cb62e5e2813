//! Products and convolutions against plain loops: on the ring with tolerance 0 in every form, on `f32` within the
//! rounding of a sum of k terms. Outputs are poisoned before and the words after them are looked at.

#[path = "matmul/formats.rs"]
mod formats;
#[path = "matmul/windows.rs"]
mod windows;

use std::cell::RefCell;
use std::io::Write;

use masque_engine::gpu::{AdapterChoice, Buf, Form, Gpu, GpuError, Recorder, Tiles};
use masque_engine::kernels::{
    ConvShape, Element, Format, Mode, Strided, conv2d, matmul, pack_conv_with_bias, pack_with_bias,
};
use masque_engine::reference::matmul::position;
use masque_engine::reference::{self, Number};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Largest difference of an `f32` result, as a fraction of `k + 2`, which bounds the sum of |terms|: inputs are in [-1, 1].
const F32_TOLERANCE: f64 = 1.2e-7;
/// Elements behind every output that must stay as they were.
const GUARD: usize = 67;
/// Bytes of every output before it is written.
const POISON: u8 = 0xa5;

/// An element type with the forms it runs in.
trait Case: Number + bytemuck::Pod + PartialEq + std::fmt::Debug {
    const ELEMENT: Element;
    const ZERO: Self;
    fn draw(state: &mut u64) -> Self;
    /// An element of a right-hand side in this format.
    fn weight(format: Format, state: &mut u64) -> Self;
    fn plus(self, product: Self, mode: Mode) -> Self;
    fn agrees(self, want: Self, k: usize) -> bool;
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Case for u64 {
    const ELEMENT: Element = Element::Ring;
    const ZERO: u64 = 0;
    fn draw(state: &mut u64) -> u64 {
        // One in eight is an edge of the carries.
        let v = next(state);
        match v % 8 {
            0 => [0, 1, u64::MAX, 1 << 63, 0xffff_ffff, 0xffff_ffff_0000_0000, 0x1_0000_0001][(v >> 8) as usize % 7],
            _ => next(state),
        }
    }
    fn weight(format: Format, state: &mut u64) -> u64 {
        // Sign-extended; shifted draws keep the edges of the carries.
        let v = Self::draw(state) as i64;
        match format {
            Format::I32 => i64::from(v as i32) as u64,
            Format::I16 if v % 8 == 0 => [i16::MIN, i16::MAX, -1, 0][(v >> 8) as usize % 4] as i64 as u64,
            Format::I16 => i64::from(v as i16) as u64,
            Format::Ring | Format::F32 => v as u64,
        }
    }
    fn plus(self, product: u64, mode: Mode) -> u64 {
        match mode {
            Mode::Set => product,
            Mode::Add => self.wrapping_add(product),
            Mode::Sub => self.wrapping_sub(product),
        }
    }
    fn agrees(self, want: u64, _: usize) -> bool {
        self == want
    }
}

impl Case for f32 {
    const ELEMENT: Element = Element::F32;
    const ZERO: f32 = 0.0;
    fn draw(state: &mut u64) -> f32 {
        (next(state) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
    fn weight(_: Format, state: &mut u64) -> f32 {
        Self::draw(state)
    }
    fn plus(self, product: f32, mode: Mode) -> f32 {
        match mode {
            Mode::Set => product,
            Mode::Add => self + product,
            Mode::Sub => self - product,
        }
    }
    fn agrees(self, want: f32, k: usize) -> bool {
        f64::from((self - want).abs()) <= F32_TOLERANCE * (k + 2) as f64
    }
}

/// A recorder per form that the adapter has.
fn recorders() -> Vec<Recorder> {
    limited(u64::MAX)
}

/// As [`recorders`], for kernels that see no more than `max_binding` bytes of a buffer.
fn limited(max_binding: u64) -> Vec<Recorder> {
    let choice = |form| AdapterChoice { form: Some(form), ..AdapterChoice::default() };
    let open = |form| match Gpu::open_limited(&choice(form), max_binding) {
        Err(e @ GpuError::NoInt64(_)) => {
            // Not through println, which is shown for failing tests only.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {form:?} products were not tested: {e}");
            None
        }
        gpu => Some(Recorder::new(gpu.unwrap())),
    };
    [Form::Native, Form::Portable].into_iter().filter_map(open).collect()
}

fn draw<T: Case>(n: usize, state: &mut u64) -> Vec<T> {
    (0..n).map(|_| T::draw(state)).collect()
}

/// A poisoned output of `n` elements and a guard; with `Some(values)` they are in front.
fn output<T: Case>(r: &Recorder, n: usize, old: Option<&[T]>) -> Buf {
    let mut bytes = vec![POISON; (n + GUARD) * size_of::<T>()];
    if let Some(old) = old {
        bytes[..n * size_of::<T>()].copy_from_slice(bytemuck::cast_slice(old));
    }
    r.upload(&bytes).unwrap()
}

/// Compares `out` with `want` at the positions that `want` names; everything else must be as before.
fn check<T: Case>(r: &mut Recorder, out: &Buf, before: &[T], want: &[(usize, T)], k: usize, what: &str) {
    let got: Vec<T> = r.read_slice(out, before.len() + GUARD).unwrap();
    let mut named = vec![false; got.len()];
    for (at, w) in want {
        named[*at] = true;
        assert!(got[*at].agrees(*w, k), "{what}: element {at} is {:?}, expected {w:?}", got[*at]);
    }
    let poison: T = bytemuck::pod_read_unaligned(&vec![POISON; size_of::<T>()]);
    for (at, g) in got.iter().enumerate().filter(|(at, _)| !named[*at]) {
        assert!(*g == *before.get(at).unwrap_or(&poison), "{what}: element {at} was overwritten with {g:?}");
    }
}

#[derive(Clone, Debug)]
struct Product {
    m: usize,
    k: usize,
    n: usize,
    batches: usize,
    /// Heads within a batch; they lie side by side in a row, as attention has them.
    heads: usize,
    b_transposed: bool,
    shared_b: bool,
    bias: bool,
    mode: Mode,
    offset: usize,
    seed: u64,
    /// How the ring's right-hand side is held.
    format: Format,
}

fn heads(p: &Product, rows: usize, cols: usize) -> Strided {
    Strided {
        batches: p.batches * p.heads,
        inner: p.heads,
        outer_stride: rows * p.heads * cols,
        inner_stride: cols,
        row_stride: p.heads * cols,
        col_stride: 1,
        offset: p.offset,
    }
}

fn product<T: Case>(r: &mut Recorder, p: &Product) {
    let mut seed = p.seed;
    let z = p.batches * p.heads;
    let a_layout = heads(p, p.m, p.k);
    let mut b_layout = if p.b_transposed { heads(p, p.n, p.k).transposed() } else { heads(p, p.k, p.n) };
    if p.shared_b {
        b_layout.batches = 1;
    }
    let o_layout = heads(p, p.m, p.n);
    let a: Vec<T> = draw(p.offset + z * p.m * p.k, &mut seed);
    let format = if T::ELEMENT == Element::Ring { p.format } else { Format::F32 };
    let b: Vec<T> = (0..p.offset + z * p.k * p.n).map(|_| T::weight(format, &mut seed)).collect();
    let bias: Option<Vec<T>> = p.bias.then(|| draw(p.n, &mut seed));
    let old: Vec<T> = draw(p.offset + z * p.m * p.n, &mut seed);
    let (ab, bb) = (r.upload_slice(&a).unwrap(), r.upload_slice(&b).unwrap());
    let bias_buf = bias.as_ref().map(|b| r.upload_slice(b).unwrap());
    let out = output(r, old.len(), Some(&old));
    let packed = pack_with_bias(r, format, &bb, b_layout, p.k, p.n, bias_buf.as_ref()).unwrap();
    matmul(r, T::ELEMENT, p.mode, &ab, a_layout, &packed, &out, o_layout, p.m).unwrap();
    let exact = reference::matmul::matmul(T::ZERO, (&a, &a_layout), (&b, &b_layout), bias.as_deref(), (p.m, p.k, p.n));
    let mut want = Vec::new();
    for (i, e) in exact.iter().enumerate() {
        let at = position(&o_layout, i / (p.m * p.n), i / p.n % p.m, i % p.n);
        want.push((at, old[at].plus(*e, p.mode)));
    }
    check(r, &out, &old, &want, p.k, &format!("{p:?} {:?} {:?}", T::ELEMENT, r.gpu().form()));
}

#[derive(Clone, Debug)]
struct Convolution {
    s: ConvShape,
    bias: bool,
    mode: Mode,
    seed: u64,
    format: Format,
}

fn convolution<T: Case>(r: &mut Recorder, p: &Convolution) {
    let (mut seed, s) = (p.seed, p.s);
    let x: Vec<T> = draw(s.n * s.h * s.w * s.c, &mut seed);
    let format = if T::ELEMENT == Element::Ring { p.format } else { Format::F32 };
    let w: Vec<T> = (0..s.outputs * s.k()).map(|_| T::weight(format, &mut seed)).collect();
    let bias: Option<Vec<T>> = p.bias.then(|| draw(s.outputs, &mut seed));
    let old: Vec<T> = draw(s.positions() * s.outputs, &mut seed);
    let (xb, wb) = (r.upload_slice(&x).unwrap(), r.upload_slice(&w).unwrap());
    let bias_buf = bias.as_ref().map(|b| r.upload_slice(b).unwrap());
    let out = output(r, old.len(), (p.mode != Mode::Set).then_some(&old));
    let packed = pack_conv_with_bias(r, format, &wb, &s, bias_buf.as_ref()).unwrap();
    conv2d(r, T::ELEMENT, p.mode, &xb, &s, &packed, &out).unwrap();
    let exact = reference::conv2d::conv2d(T::ZERO, &x, &w, bias.as_deref(), &s);
    let want: Vec<(usize, T)> =
        (exact.iter().zip(&old).enumerate()).map(|(i, (e, o))| (i, o.plus(*e, p.mode))).collect();
    check(r, &out, &old, &want, s.k(), &format!("{p:?} {:?} {:?}", T::ELEMENT, r.gpu().form()));
}

/// The body on ring words in every form, and on `f32`.
macro_rules! everywhere {
    ($body:ident, $cases:expr) => {
        for mut r in recorders() {
            for case in &$cases {
                $body::<u64>(&mut r, case);
                if r.gpu().form() == Form::Portable {
                    $body::<f32>(&mut r, case);
                }
            }
        }
    };
}

const PLAIN: Product = Product {
    m: 1,
    k: 1,
    n: 1,
    batches: 1,
    heads: 1,
    b_transposed: false,
    shared_b: false,
    bias: false,
    mode: Mode::Set,
    offset: 0,
    seed: 7,
    format: Format::Ring,
};

#[test]
fn products_of_every_tile_edge() {
    let mut cases = Vec::new();
    for (m, k, n) in [
        (1, 1, 1),
        (8, 4, 8),
        (9, 5, 9),
        (7, 8, 4),
        (16, 16, 5),
        (17, 3, 33),
        (49, 32, 49),
        (1, 64, 130),
        (196, 36, 32),
    ] {
        for mode in [Mode::Set, Mode::Add, Mode::Sub] {
            cases.push(Product { m, k, n, mode, bias: m % 2 == 1, ..PLAIN });
        }
    }
    everywhere!(product, cases);
}

#[test]
fn attention_heads_and_transposed_keys() {
    let mut cases = Vec::new();
    for (b_transposed, k, n) in [(true, 32, 49), (false, 49, 32), (true, 10, 7), (false, 12, 8)] {
        cases.push(Product { m: 49, k, n, batches: 2, heads: 3, b_transposed, ..PLAIN });
        cases.push(Product { m: 5, k, n, batches: 3, heads: 2, b_transposed, offset: 4, mode: Mode::Add, ..PLAIN });
    }
    everywhere!(product, cases);
}

#[test]
fn products_of_drawn_shapes() {
    let modes = prop_oneof![Just(Mode::Set), Just(Mode::Add), Just(Mode::Sub)];
    let shapes = (1..70usize, 1..50usize, 1..70usize, 1..3usize, 1..3usize, 0..6usize);
    let strategy = (shapes, modes, any::<[bool; 3]>(), any::<u64>()).prop_map(|(s, mode, flags, seed)| Product {
        m: s.0,
        k: s.1,
        n: s.2,
        batches: s.3,
        heads: s.4,
        offset: s.5,
        mode,
        b_transposed: flags[0],
        shared_b: flags[1],
        bias: flags[2],
        seed,
        format: [Format::Ring, Format::I32, Format::I16][seed as usize % 3],
    });
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let recorders = RefCell::new(recorders());
    runner
        .run(&strategy, |case| {
            for r in recorders.borrow_mut().iter_mut() {
                product::<u64>(r, &case);
            }
            product::<f32>(&mut recorders.borrow_mut()[0], &case);
            Ok(())
        })
        .unwrap();
}

#[test]
fn convolutions() {
    let shape = |n, h, w, c, kernel, stride, pad, pad_after, outputs| ConvShape {
        n,
        h,
        w,
        c,
        kernel,
        stride,
        pad,
        pad_after,
        outputs,
    };
    let mut cases = Vec::new();
    for (i, s) in [
        shape(2, 28, 28, 1, 3, 1, 1, 1, 16),
        shape(1, 14, 14, 16, 3, 1, 1, 1, 1),
        shape(2, 7, 7, 8, 3, 1, 1, 1, 24),
        shape(1, 9, 6, 4, 3, 2, 1, 1, 5),
        shape(1, 8, 8, 12, 3, 2, 0, 1, 8),
        shape(2, 5, 5, 3, 1, 1, 0, 0, 7),
        shape(1, 5, 7, 16, 1, 1, 0, 0, 16),
        shape(1, 4, 4, 4, 4, 4, 0, 0, 9),
        shape(1, 3, 3, 5, 5, 1, 2, 2, 3),
    ]
    .into_iter()
    .enumerate()
    {
        for mode in [Mode::Set, Mode::Add, Mode::Sub] {
            cases.push(Convolution { s, bias: i % 2 == 0, mode, seed: i as u64, format: Format::Ring });
        }
    }
    everywhere!(convolution, cases);
}
