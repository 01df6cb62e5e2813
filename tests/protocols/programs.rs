//! Programs that take in many protocols, for tests that care about messages rather than values.

use masque_engine::approx::Approx;
use masque_engine::correlated::Scope;
use masque_engine::graph::ops::Function;
use masque_engine::kernels::{ConvShape, Strided};
use masque_engine::protocol::*;
use masque_engine::testing::{World, wire_words, words};

/// Words a role holds in the end or meets on the way.
pub struct Seen<'a> {
    ctx: &'a mut Ctx,
    /// All words so far.
    pub words: Vec<u64>,
}

impl<'a> Seen<'a> {
    pub fn new(ctx: &'a mut Ctx) -> Self {
        Self { ctx, words: vec![] }
    }

    fn share(&mut self, x: Share) -> Result<Share, Error> {
        // Above bit k there may be anything.
        let low = |w: Vec<u64>| w.into_iter().map(move |v| v << (64 - x.k) >> (64 - x.k));
        self.words.extend(low(words(self.ctx, &x)?));
        Ok(x)
    }

    fn wire(&mut self, x: Wire) -> Result<Wire, Error> {
        let (delta, lam) = wire_words(self.ctx, &x)?;
        self.words.extend(delta.iter().chain(&lam).map(|v| v << (64 - x.k) >> (64 - x.k)));
        Ok(x)
    }

    fn bits(&mut self, b: Bits) -> Result<Bits, Error> {
        for words in b.opened.iter().chain([&b.masks]) {
            let words: Vec<u32> = self.ctx.rec.read_slice(words, b.words())?;
            self.words.extend(
                (0..b.thresholds)
                    .flat_map(|j| (0..b.n).map(move |e| (j, e)))
                    .map(|(j, e)| u64::from(b.at(&words, j, e))),
            );
        }
        Ok(b)
    }
}

/// Inputs of the programs: one value in many places, so that nothing but masks can make messages look random.
fn constant(n: usize, value: i64) -> Vec<i64> {
    vec![value; n]
}

/// Rows of `x` in an image of `[n, positions, channels]` for a normalisation.
fn norm_shape(n: usize, positions: usize, channels: usize, groups: usize) -> NormShape {
    let (variance, f) = ((-8, 8), 10);
    let k = NormShape::ring(positions, channels / groups, variance, f);
    NormShape { n, positions, channels, groups, eps: 1e-5, variance, f, k }
}

/// Opens 4096 values.
pub fn opening(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let x = w.share(ctx, "x", &constant(4096, secret), 40, 10)?;
    let mut seen = Seen::new(ctx);
    let wire = open_all(seen.ctx, &[(&x, 4, 36), (&x, 0, 24)])?;
    wire.into_iter().try_for_each(|x| seen.wire(x).map(drop))?;
    Ok(seen.words)
}

/// Opens, compares in a window of one group and in one of several, selects.
pub fn relu(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let x = w.share(ctx, "x", &constant(1 << 14, secret), 40, 10)?;
    let mut seen = Seen::new(ctx);
    let table = Table::new(&[Segment { above: Some(0), below: None, coefficients: vec![0.0, 1.0] }], 10, 10)?;
    for window in [Window { lo: 4, hi: 20 }, Window { lo: 0, hi: 36 }] {
        let x = open(seen.ctx, &x, 0, 40)?;
        let bits = compare(seen.ctx, &x, &[0, 1 << 10], window)?;
        let bits = seen.bits(bits)?;
        let y = piecewise(seen.ctx, &x, Some(&bits), &table, 48)?;
        seen.share(y)?;
    }
    Ok(seen.words)
}

/// Two layers with the server's weights.
pub fn layers(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let mut seen = Seen::new(ctx);
    let shape = ConvShape { n: 2, h: 8, w: 8, c: 32, kernel: 3, stride: 2, pad: 1, pad_after: 1, outputs: 32 };
    let dense = Layer::Dense { rows: 64, inputs: 64, outputs: 64, transposed: false };
    for (layer, tile) in [(dense, 1), (Layer::Conv(shape), 2)] {
        seen.ctx.enter(Scope { eval: 0, node: 7, tile });
        let weight = constant(layer.weight_len(), secret % 1000);
        let fixed = FixedWeights { weight, bias: Some(constant(layer.outputs(), secret)) };
        let weights = share_weights(seen.ctx, &layer, 48, 12, (seen.ctx.role == Role::Server).then_some(&fixed))?;
        let x = w.share(seen.ctx, "x", &constant(layer.input_len(), secret), 52, 10)?;
        let y = linear(seen.ctx, &x, &layer, &weights)?;
        seen.share(y)?;
    }
    Ok(seen.words)
}

/// The exponentials of all sets, and an activation.
pub fn functions(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let mut seen = Seen::new(ctx);
    for (i, approx) in [Approx::Loose, Approx::Precise, Approx::Cipherdm].into_iter().enumerate() {
        seen.ctx.enter(Scope { eval: 0, node: i as u32 + 1, tile: 0 });
        let spec = SoftmaxSpec { scale: 0.25, approx };
        let x = w.share(seen.ctx, "x", &constant(2048, -secret.abs()), 26, spec.logit_fraction())?;
        let x = open(seen.ctx, &x, 0, 24)?;
        let x = seen.wire(x)?;
        let y = exponential(seen.ctx, &x, &spec, Window { lo: 1, hi: 18 })?;
        seen.share(y)?;
        let x = w.share(seen.ctx, "y", &constant(2048, secret), 26, 12)?;
        let x = open(seen.ctx, &x, 0, 24)?;
        for function in [Function::Silu, Function::Gelu] {
            let table = approx.activation(function).expect("a table");
            let y = activation(seen.ctx, &x, &table, Window { lo: 4, hi: 21 }, 12, 40)?;
            seen.share(y)?;
        }
    }
    Ok(seen.words)
}

/// Normalises images by groups.
pub fn normalisation(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let mut seen = Seen::new(ctx);
    let shape = norm_shape(16, 16, 32, 8);
    let gamma = FixedWeights { weight: shape.affine_matrix(&[1.0; 32], 12), bias: None };
    let at_server = seen.ctx.role == Role::Server;
    let gamma = share_weights(seen.ctx, &shape.affine_layer(), 64, 12, at_server.then_some(&gamma))?;
    let x: Vec<i64> = (0..16 * 16 * 32).map(|i| secret % 1000 * (i % 3 - 1)).collect();
    let x = w.share(seen.ctx, "x", &x, shape.k, shape.f)?;
    let (y, wire) = normalise(seen.ctx, &x, None, &shape, &gamma, None)?;
    seen.wire(wire)?;
    seen.share(y)?;
    Ok(seen.words)
}

/// Products, maxima, reciprocals and attention.
pub fn products(w: &World, ctx: &mut Ctx, secret: i64) -> Result<Vec<u64>, Error> {
    let mut seen = Seen::new(ctx);
    let x = w.share(seen.ctx, "x", &constant(32 * 64, secret % 4096), 52, 8)?;
    let y = w.share(seen.ctx, "y", &constant(32 * 64, -secret % 4096), 52, 8)?;
    let wires = open_all(seen.ctx, &[(&x, 0, 48), (&y, 0, 48)])?;
    let z = multiply(seen.ctx, &wires[0], &wires[1], Map::SAME)?;
    seen.share(z)?;
    let z = square_sums(seen.ctx, &wires[0], &Groups::rows(32, 64))?;
    seen.share(z)?;
    let shape = MatmulShape {
        a: Strided::rows(64),
        b: Strided::rows(64).transposed(),
        out: Strided::rows(32),
        m: 32,
        k: 64,
        n: 32,
    };
    let z = matmul(seen.ctx, &wires[0], &wires[1], &shape)?;
    let z = seen.share(z)?;
    let z = truncate(seen.ctx, &z, 8)?;
    let narrow = open(seen.ctx, &z, 0, 36)?;
    let z = lift(seen.ctx, &narrow, 64)?;
    let z = seen.share(z)?;
    let found = maximum(seen.ctx, &z.reduced(24), 0, (32, 32), 4)?;
    seen.wire(found.x)?;
    seen.wire(found.top)?;
    let positive = w.share(seen.ctx, "positive", &constant(64, 5000), 40, 0)?;
    let positive = open(seen.ctx, &positive, 0, 40)?;
    for power in [-1.0, -0.5] {
        let z = inverse(seen.ctx, &positive, power, 64.0, Octaves { lo: 6, hi: 18 }, 14)?;
        seen.share(z)?;
    }
    let shape = AttentionShape { n: 1, heads: 2, queries: 8, keys: 12, width: 8, causal: false, tile: 64 };
    let q = w.share(seen.ctx, "q", &constant(8 * 16, secret % 1000), 44, 10)?;
    let kv = w.share(seen.ctx, "kv", &constant(12 * 16, secret % 1000), 44, 10)?;
    let wires = open_all(seen.ctx, &[(&q, 0, 44), (&kv, 0, 44)])?;
    let spec = SoftmaxSpec { scale: 0.35, approx: Approx::Loose };
    let z = attention(seen.ctx, &wires[0], &wires[1], &wires[1], &shape, (&spec, RowMaximum::Secure))?;
    seen.share(z)?;
    Ok(seen.words)
}

/// A program over a secret.
pub type Program = fn(&World, &mut Ctx, i64) -> Result<Vec<u64>, Error>;

/// All programs with their names.
pub const PROGRAMS: [(&str, Program); 6] = [
    ("opening", opening),
    ("relu", relu),
    ("layers", layers),
    ("functions", functions),
    ("normalisation", normalisation),
    ("products", products),
];
