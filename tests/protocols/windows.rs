//! Tensors larger than what a kernel may see of a buffer: every protocol that takes them whole gives the same words, bit for
//! bit, as on an adapter that sees all of them, and costs the same.

use masque_engine::gpu::{AdapterChoice, Form, Gpu, GpuError};
use masque_engine::kernels::ConvShape;
use masque_engine::protocol::*;
use masque_engine::testing::{World, wire_words, words};

use super::uniform;

/// 16 KiB are 2048 ring words.
const LIMIT: u64 = 16 << 10;

type Program = fn(&World, &mut Ctx) -> Result<Vec<u64>, Error>;

/// A share of drawn values with 8 fraction bits.
fn input(w: &World, ctx: &mut Ctx, name: &str, n: usize, k: u32) -> Result<Share, Error> {
    let x = uniform(w, name, n, 1 << 12);
    w.share(ctx, name, &x, k, 8)
}

fn low(words: Vec<u64>, k: u32) -> Vec<u64> {
    words.into_iter().map(|v| v << (64 - k) >> (64 - k)).collect()
}

/// What a role holds of a share; the dealer nothing.
fn share(ctx: &mut Ctx, x: &Share) -> Result<Vec<u64>, Error> {
    Ok(low(words(ctx, x)?, x.k))
}

fn wire(ctx: &mut Ctx, x: &Wire) -> Result<Vec<u64>, Error> {
    let (delta, lam) = wire_words(ctx, x)?;
    Ok([low(delta, x.k), low(lam, x.k)].concat())
}

/// An opening, cut, and its lift.
fn opened(w: &World, ctx: &mut Ctx, n: usize, shift: u32, ring: u32) -> Result<Vec<u64>, Error> {
    let x = input(w, ctx, "x", n, 48)?;
    let x = open(ctx, &x, shift, ring)?;
    let lifted = lift(ctx, &x, 60)?;
    Ok([wire(ctx, &x)?, share(ctx, &lifted)?].concat())
}

/// A product with a smaller tensor, and of two tensors of one shape.
fn products(w: &World, ctx: &mut Ctx, (rows, cols): (usize, usize), y: usize, map: Map) -> Result<Vec<u64>, Error> {
    let (x, y) = (input(w, ctx, "x", rows * cols, 48)?, input(w, ctx, "y", y, 48)?);
    let wires = open_all(ctx, &[(&x, 0, 40), (&y, 0, 40)])?;
    let z = multiply(ctx, &wires[0], &wires[1], map)?;
    let square = multiply(ctx, &wires[0], &wires[0], Map::SAME)?;
    let sum = add(ctx, &x, 3, &y, 5, map)?;
    let twice = add(ctx, &x, 1, &z, 1, Map::SAME)?;
    let shares = [&z, &square, &sum, &twice].map(|z| share(ctx, z));
    Ok(shares.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// Sums and sums of squares.
fn sums(w: &World, ctx: &mut Ctx, n: usize, groups: Groups) -> Result<Vec<u64>, Error> {
    let x = input(w, ctx, "x", n, 48)?;
    let wire = open(ctx, &x, 0, 48)?;
    let (sums, squares) = (reduce(ctx, &x, &groups)?, square_sums(ctx, &wire, &groups)?);
    assert_eq!((sums.n, squares.n), (groups.count(), groups.count()));
    Ok([share(ctx, &sums)?, share(ctx, &squares)?].concat())
}

fn layer(w: &World, ctx: &mut Ctx, layer: &Layer) -> Result<Vec<u64>, Error> {
    let fixed = FixedWeights {
        weight: uniform(w, "w", layer.weight_len(), 1 << 12),
        bias: Some(uniform(w, "b", layer.outputs(), 1 << 20)),
    };
    let weights = share_weights(ctx, layer, 48, 12, (ctx.role == Role::Server).then_some(&fixed))?;
    let x = input(w, ctx, "x", layer.input_len(), 64)?;
    let y = linear(ctx, &x, layer, &weights)?;
    let y = truncate(ctx, &y, 12)?;
    share(ctx, &y)
}

const PROGRAMS: &[(&str, Program)] = &[
    ("open and lift", |w, ctx| opened(w, ctx, 5003, 0, 32)),
    ("open, cut", |w, ctx| opened(w, ctx, 9000, 20, 28)),
    ("one element more than a window", |w, ctx| opened(w, ctx, 2049, 8, 24)),
    ("add to all", |w, ctx| {
        let x = input(w, ctx, "x", 7001, 44)?;
        let y = scale(ctx, &x, -3, 17, 8)?;
        share(ctx, &y)
    }),
    ("broadcast by row", |w, ctx| products(w, ctx, (61, 97), 61, Map::per_row(97))),
    ("broadcast by column", |w, ctx| products(w, ctx, (61, 97), 97, Map::per_column(97))),
    ("broadcast by group", |w, ctx| products(w, ctx, (3 * 65, 24), 12, Map::per_group(65, 24, 4))),
    ("sums of rows", |w, ctx| sums(w, ctx, 77 * 93, Groups::rows(77, 93))),
    ("sums of long rows", |w, ctx| sums(w, ctx, 5 * 1900, Groups::rows(5, 1900))),
    ("sums of small images", |w, ctx| sums(w, ctx, 9 * 25 * 24, Groups::channels(9, 25, 24, 3))),
    ("sums of large images", |w, ctx| sums(w, ctx, 3 * 211 * 12, Groups::channels(3, 211, 12, 4))),
    ("channels", |w, ctx| {
        let (a, b) = (input(w, ctx, "a", 301 * 14, 48)?, input(w, ctx, "b", 301 * 9, 40)?);
        let joined = concat(ctx, &a, 14, &b, 9)?;
        let taken = slice(ctx, &joined, 23, 5, 13)?;
        let few = slice(ctx, &a, 14, 2, 6)?;
        let twice = repeat_rows(ctx, &few)?;
        let shares = [&joined, &taken, &twice].map(|x| share(ctx, x));
        Ok(shares.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }),
    ("even channels", |w, ctx| {
        let (a, b) = (input(w, ctx, "a", 400 * 8, 48)?, input(w, ctx, "b", 400 * 6, 48)?);
        let joined = concat(ctx, &a, 8, &b, 6)?;
        let taken = slice(ctx, &joined, 14, 4, 8)?;
        Ok([share(ctx, &joined)?, share(ctx, &taken)?].concat())
    }),
    ("upsampling", |w, ctx| {
        let (x, y) = (input(w, ctx, "x", 2 * 7 * 9 * 12, 48)?, input(w, ctx, "y", 14 * 5 * 11, 48)?);
        let (x, y) = (upsample(ctx, &x, 7, 9, 12)?, upsample(ctx, &y, 14, 5, 11)?);
        Ok([share(ctx, &x)?, share(ctx, &y)?].concat())
    }),
    ("dense layer", |w, ctx| layer(w, ctx, &Layer::Dense { rows: 150, inputs: 40, outputs: 33, transposed: false })),
    ("convolution", |w, ctx| {
        let s = ConvShape { n: 2, h: 20, w: 12, c: 8, kernel: 3, stride: 1, pad: 1, pad_after: 1, outputs: 12 };
        layer(w, ctx, &Layer::Conv(s))
    }),
    ("group normalisation", |w, ctx| {
        let s = NormShape::groups((2, 130, 24), 4, 1e-5, (-6, 8), 8);
        let x = input(w, ctx, "x", 2 * 130 * 24, s.k)?;
        let gamma = FixedWeights { weight: s.affine_matrix(&[1.5; 24], 10), bias: None };
        let known = (ctx.role == Role::Server).then_some(&gamma);
        let gamma = share_weights(ctx, &s.affine_layer(), 64, 10, known)?;
        let (y, of) = normalise(ctx, &x, None, &s, &gamma, None)?;
        let y = settle(ctx, &y, 8)?;
        Ok([share(ctx, &y)?, wire(ctx, &of)?].concat())
    }),
];

fn same(form: Form) {
    let choice = AdapterChoice { form: Some(form), ..AdapterChoice::default() };
    if let Err(GpuError::NoInt64(adapter)) = Gpu::open(&choice) {
        println!("skipped: {adapter} has no 64-bit integers, so there is no native form");
        return;
    }
    let (whole, cut) = (World::with_form(90, Some(form)), World::limited(90, Some(form), LIMIT));
    assert!(cut.gpu().max_binding() == LIMIT, "the limit is kept");
    for (name, program) in PROGRAMS {
        println!("{name}");
        let (a, b) = (whole.run(program), cut.run(program));
        for (role, a, b) in
            [("client", a.client, b.client), ("server", a.server, b.server), ("dealer", a.dealer, b.dealer)]
        {
            assert!(
                a.len() as u64 * 8 > LIMIT / 8 || role == "dealer" || name.starts_with("sums"),
                "{name}: too small"
            );
            let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
            assert!(a.len() == b.len() && differ == 0, "{name}: of {} words of the {role} differ {differ}", a.len());
        }
        assert_eq!(a.cost, b.cost, "{name}: cost");
    }
}

#[test]
fn native_windows_change_nothing() {
    same(Form::Native);
}

#[test]
fn portable_windows_change_nothing() {
    same(Form::Portable);
}

#[test]
fn a_smaller_tensor_beyond_a_window_is_an_error() {
    let world = World::limited(91, None, LIMIT);
    let [client, ..] = world.try_run(|w, ctx| {
        let (x, y) = (input(w, ctx, "x", 9000, 48)?, input(w, ctx, "y", 3000, 48)?);
        add(ctx, &x, 1, &y, 1, Map::per_row(3))
    });
    let error = client.expect_err("a tensor that is broadcast is seen as a whole").to_string();
    assert!(error.contains("exceeds the adapter's limit of 16384 bytes"), "{error}");
}
