//! Matrix products and convolutions: of two secrets, and of a secret with the server's weights.

use masque_engine::exec::PlanConfig;
use masque_engine::kernels::{ConvShape, Strided};
use masque_engine::protocol::{
    self, Cost, Ctx, Error, FixedWeights, Layer, MatmulShape, Role, Share, conv2d_cost, linear_cost, matmul_cost,
    open_cost, share_weights,
};
use rand_chacha::rand_core::Rng;

use super::shapes::{self, Conv, Product};
use super::{Held, Label, Operation, Output, Piece, Rows, Tensor, Wanted, normal, rng};

/// Ring of products and of their secret factors.
const RING: u32 = 40;
/// Elements of a piece that are compared with the exact product.
const COMPARED: usize = 4096;

/// What is multiplied.
enum Kind {
    /// Two secret matrices, `tile` rows at a time.
    Secrets { shape: Product, tile: usize },
    /// Two secrets, image and kernel.
    SecretConv(ConvShape),
    /// A layer of the server's.
    Layer(Layer),
}

struct Multiplied {
    label: Label,
    kind: Kind,
}

fn label(op: &'static str, name: &str, what: &str, size: String) -> Label {
    Label { op, form: format!("{name}, secret x {what}"), approx: None, size, range: None, leaks: None }
}

/// Names of shapes.
pub fn matmul_shapes() -> Vec<&'static str> {
    shapes::PRODUCTS.iter().map(|(name, _)| *name).collect()
}

/// The named product, or an attention's logits and a dense layer.
pub fn matmul(wanted: &Wanted) -> Rows {
    let named = wanted.shape.as_ref().and_then(|s| shapes::PRODUCTS.iter().find(|(name, _)| name == s));
    let usual = [("qk-16", "qk-8"), ("to-q-16", "context-64")];
    let chosen: Vec<_> = match named {
        Some(shape) => vec![shape],
        None => usual.iter().map(|(usual, small)| wanted.shape(shapes::PRODUCTS, usual, small)).collect(),
    };
    let rows = chosen.into_iter().map(|(name, p)| -> Box<dyn Operation> {
        let Product { batches, m, k, n, weights } = *p;
        let (what, heads) = if weights { ("weights", String::new()) } else { ("secret", format!("{batches} x ")) };
        let label = label("matmul", name, what, format!("{heads}{m} x {k} x {n}"));
        let kind = match weights {
            true => Kind::Layer(Layer::Dense { rows: m, inputs: k, outputs: n, transposed: false }),
            false => {
                let most = usize::try_from(wanted.limit).unwrap_or(usize::MAX) / 8;
                Kind::Secrets { shape: *p, tile: (most / n.max(k)).clamp(1, m) }
            }
        };
        Box::new(Multiplied { label, kind })
    });
    Ok(rows.collect())
}

/// Names of shapes.
pub fn conv_shapes() -> Vec<&'static str> {
    shapes::CONVS.iter().map(|(name, _)| *name).collect()
}

/// The named convolution with the server's weights and with a secret kernel.
pub fn conv(wanted: &Wanted) -> Rows {
    let (name, Conv { inputs, outputs, extent, kernel, stride }) = *wanted.shape(shapes::CONVS, "res-8", "in-64");
    let (h, w, pad) = (extent, extent, kernel / 2);
    let shape = ConvShape { n: 1, h, w, c: inputs, kernel, stride, pad, pad_after: pad, outputs };
    let size = format!("{inputs} to {outputs}, {extent} x {extent}, kernel {kernel}, step {stride}");
    let row = |what, kind| -> Box<dyn Operation> {
        Box::new(Multiplied { label: label("conv", name, what, size.clone()), kind })
    };
    Ok(vec![row("secret", Kind::SecretConv(shape)), row("weights", Kind::Layer(Layer::Conv(shape)))])
}

/// Element `i` of the convolution `[positions, outputs]`.
fn conv_at(s: &ConvShape, x: &[f64], w: &[f64], i: usize) -> f64 {
    let (o, place) = (i % s.outputs, i / s.outputs);
    let (oh, ow) = (place / s.ow(), place % s.ow());
    let mut sum = 0.0;
    for (ky, kx) in (0..s.kernel * s.kernel).map(|t| (t / s.kernel, t % s.kernel)) {
        let (h, v) = ((oh * s.stride + ky) as i64 - s.pad as i64, (ow * s.stride + kx) as i64 - s.pad as i64);
        if (0..s.h as i64).contains(&h) && (0..s.w as i64).contains(&v) {
            let from = (h as usize * s.w + v as usize) * s.c;
            let at = |c: usize| w[((o * s.c + c) * s.kernel + ky) * s.kernel + kx];
            sum += (0..s.c).map(|c| x[from + c] * at(c)).sum::<f64>();
        }
    }
    sum
}

/// A product of secrets with `rows` rows.
fn secrets(p: &Product, rows: usize) -> MatmulShape {
    let (a, b, out) = (Strided::rows(p.k), Strided::rows(p.n), Strided::rows(p.n));
    MatmulShape { a, b, out, m: rows, k: p.k, n: p.n }
}

impl Multiplied {
    /// Lengths of the factors, results, length of an inner product, for a piece.
    fn extents(&self, index: usize) -> (usize, usize, usize, usize) {
        match &self.kind {
            Kind::Secrets { shape: p, .. } => {
                let rows = self.rows(index);
                (rows * p.k, p.k * p.n, rows * p.n, p.k)
            }
            Kind::SecretConv(s) => (s.n * s.h * s.w * s.c, s.outputs * s.k(), s.positions() * s.outputs, s.k()),
            Kind::Layer(layer) => {
                let inner = layer.weight_len() / layer.outputs();
                (layer.input_len(), layer.weight_len(), layer.output_len(), inner)
            }
        }
    }

    /// Rows of a piece of a batch of secret products.
    fn rows(&self, index: usize) -> usize {
        match &self.kind {
            Kind::Secrets { shape, tile } => {
                let tiles = shape.m.div_ceil(*tile);
                (*tile).min(shape.m - index % tiles * tile)
            }
            _ => 0,
        }
    }

    fn exact(&self, x: &[f64], w: &[f64], i: usize) -> f64 {
        let dot = |row: usize, inner: usize, w: &dyn Fn(usize) -> f64| {
            (0..inner).map(|j| x[row * inner + j] * w(j)).sum::<f64>()
        };
        match &self.kind {
            Kind::Secrets { shape: p, .. } => dot(i / p.n, p.k, &|j| w[j * p.n + i % p.n]),
            Kind::SecretConv(s) | Kind::Layer(Layer::Conv(s)) => conv_at(s, x, w, i),
            Kind::Layer(Layer::Dense { inputs, outputs, .. }) => {
                dot(i / outputs, *inputs, &|j| w[i % outputs * inputs + j])
            }
        }
    }
}

impl Operation for Multiplied {
    fn label(&self) -> Label {
        self.label.clone()
    }

    fn elements(&self) -> usize {
        match &self.kind {
            Kind::Secrets { shape: p, .. } => p.batches * p.m * p.n,
            _ => self.extents(0).2,
        }
    }

    fn pieces(&self) -> usize {
        match &self.kind {
            Kind::Secrets { shape, tile } => shape.batches * shape.m.div_ceil(*tile),
            _ => 1,
        }
    }

    fn piece(&self, index: usize) -> Piece {
        let (n, weights, results, inner) = self.extents(index);
        let plan = PlanConfig::default();
        let mut rng = rng(4, index);
        let x: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let w: Vec<f64> = (0..weights).map(|_| normal(&mut rng) / (inner as f64).sqrt()).collect();
        let at: Vec<usize> = (0..COMPARED).map(|_| (rng.next_u64() % results as u64) as usize).collect();
        let exact = at.iter().map(|i| self.exact(&x, &w, *i)).collect();
        let mut inputs = vec![Tensor::new(&x, 64, plan.activation)];
        let mut known = vec![];
        let w = Tensor::new(&w, 64, plan.weight);
        match &self.kind {
            Kind::Layer(_) => known = w.values,
            _ => inputs.push(w),
        }
        Piece { inputs, weights: known, at, exact, ..Piece::default() }
    }

    fn prepare(&self, ctx: &mut Ctx, shares: Vec<Share>, piece: &Piece) -> std::result::Result<Held, Error> {
        let mut held = Held { shares, ..Held::default() };
        if let Kind::Layer(layer) = &self.kind {
            let fixed = FixedWeights { weight: piece.weights.clone(), bias: None };
            let known = (ctx.role == Role::Server).then_some(&fixed);
            held.weights = Some(share_weights(ctx, layer, RING, PlanConfig::default().weight, known)?);
        }
        Ok(held)
    }

    fn cost(&self, index: usize) -> std::result::Result<Cost, Error> {
        let (x, w, ..) = self.extents(index);
        let opened = || open_cost(&[(x, RING), (w, RING)]);
        Ok(match &self.kind {
            Kind::Layer(layer) => linear_cost(layer, RING),
            Kind::SecretConv(s) => opened() + conv2d_cost(s, RING),
            Kind::Secrets { shape, .. } => opened() + matmul_cost(&secrets(shape, self.rows(index)), RING),
        })
    }

    fn run(&self, ctx: &mut Ctx, held: &Held) -> std::result::Result<Output, Error> {
        let x = &held.shares[0];
        if let Kind::Layer(layer) = &self.kind {
            let weights = held.weights.as_ref().expect("prepared");
            return protocol::linear(ctx, x, layer, weights).map(Output::Share);
        }
        let wires = protocol::open_all(ctx, &[(x, 0, RING), (&held.shares[1], 0, RING)])?;
        let y = match &self.kind {
            Kind::SecretConv(s) => protocol::conv2d(ctx, &wires[0], &wires[1], s)?,
            Kind::Secrets { shape: p, .. } => protocol::matmul(ctx, &wires[0], &wires[1], &secrets(p, x.n / p.k))?,
            Kind::Layer(_) => unreachable!("returned above"),
        };
        Ok(Output::Share(y))
    }
}
