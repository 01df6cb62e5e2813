//! Group and layer normalisation with the server's weights.

use masque_engine::exec::PlanConfig;
use masque_engine::protocol::{
    Cost, Ctx, Error, FixedWeights, NormShape, Role, Share, normalise, normalise_cost, settle, share_weights,
};

use super::{Held, Label, Operation, Output, Piece, Rows, Tensor, Wanted, normal, rng, shapes};

/// Groups of a group normalisation, and what is added to variances.
const GROUPS: usize = 32;
const EPS: f64 = 1e-5;

struct Norm {
    label: Label,
    shape: NormShape,
    gamma_bits: u32,
}

/// Names of shapes.
pub fn group_shapes() -> Vec<&'static str> {
    shapes::NORMS.iter().map(|(name, _)| *name).collect()
}

/// Names of shapes.
pub fn layer_shapes() -> Vec<&'static str> {
    group_shapes()
}

/// `[1, positions, channels]` in 32 groups.
pub fn group(wanted: &Wanted) -> Rows {
    let (name, (positions, channels)) = *wanted.shape(shapes::NORMS, "norm-32", "norm-8");
    let plan = PlanConfig::default();
    let shape = NormShape::groups((1, positions, channels), GROUPS, EPS, plan.variance, plan.activation);
    Ok(row("groupnorm", name, format!("{positions} x {channels}, {GROUPS} groups"), shape))
}

/// `[positions, channels]`, each row by itself.
pub fn layer(wanted: &Wanted) -> Rows {
    let (name, (positions, channels)) = *wanted.shape(shapes::NORMS, "norm-32", "norm-8");
    let plan = PlanConfig::default();
    let shape = NormShape::layer(positions, channels, EPS, plan.variance, plan.activation);
    Ok(row("layernorm", name, format!("{positions} x {channels}"), shape))
}

fn row(op: &'static str, name: &str, size: String, shape: NormShape) -> Vec<Box<dyn Operation>> {
    let label = Label { op, form: name.into(), approx: None, size, range: None, leaks: None };
    let gamma_bits = PlanConfig::default().weight.min(64 - shape.k);
    vec![Box::new(Norm { label, shape, gamma_bits })]
}

impl Norm {
    /// Which group an element belongs to, counted over all images.
    fn group(&self, i: usize) -> usize {
        let s = &self.shape;
        i / (s.positions * s.channels) * s.groups + i % s.channels / (s.channels / s.groups)
    }
}

impl Operation for Norm {
    fn label(&self) -> Label {
        self.label.clone()
    }

    fn elements(&self) -> usize {
        self.shape.n * self.shape.positions * self.shape.channels
    }

    fn pieces(&self) -> usize {
        1
    }

    fn piece(&self, index: usize) -> Piece {
        let s = &self.shape;
        let mut rng = rng(3, index);
        let groups: Vec<(f64, f64)> =
            (0..s.n * s.groups).map(|_| (normal(&mut rng), 0.5 + normal(&mut rng).abs())).collect();
        let x: Vec<f64> = (0..self.elements())
            .map(|i| {
                let (mean, deviation) = groups[self.group(i)];
                mean + deviation * normal(&mut rng)
            })
            .collect();
        let rounded = |v: f64, f: u32| (v * f64::from(f).exp2()).round() / f64::from(f).exp2();
        let gamma: Vec<f64> = (0..s.channels).map(|_| rounded(1.0 + 0.2 * normal(&mut rng), self.gamma_bits)).collect();
        let beta: Vec<f64> = (0..s.channels).map(|_| normal(&mut rng)).collect();
        let mut sums = vec![(0.0, 0.0); groups.len()];
        let len = s.group_len() as f64;
        x.iter().enumerate().for_each(|(i, v)| sums[self.group(i)].0 += v / len);
        x.iter().enumerate().for_each(|(i, v)| sums[self.group(i)].1 += (v - sums[self.group(i)].0).powi(2) / len);
        let exact = x.iter().enumerate().map(|(i, v)| {
            let (mean, variance) = sums[self.group(i)];
            let channel = i % s.channels;
            (v - mean) / (variance + s.eps).sqrt() * gamma[channel] + beta[channel]
        });
        let gamma: Vec<f32> = gamma.iter().map(|v| *v as f32).collect();
        Piece {
            exact: exact.collect(),
            weights: s.affine_matrix(&gamma, self.gamma_bits),
            vector: Tensor::new(&beta, 64, s.result_fraction()).values,
            inputs: vec![Tensor::new(&x, 64, s.f)],
            ..Piece::default()
        }
    }

    fn prepare(&self, ctx: &mut Ctx, shares: Vec<Share>, piece: &Piece) -> std::result::Result<Held, Error> {
        let at_server = ctx.role == Role::Server;
        let fixed = FixedWeights { weight: piece.weights.clone(), bias: None };
        let layer = self.shape.affine_layer();
        let weights = Some(share_weights(ctx, &layer, 64, self.gamma_bits, at_server.then_some(&fixed))?);
        let vector = if at_server { Some(ctx.rec.upload_slice(&piece.vector)?) } else { None };
        Ok(Held { shares, weights, vector, ..Held::default() })
    }

    fn cost(&self, _index: usize) -> std::result::Result<Cost, Error> {
        normalise_cost(&self.shape)
    }

    fn run(&self, ctx: &mut Ctx, held: &Held) -> std::result::Result<Output, Error> {
        let gamma = held.weights.as_ref().expect("prepared");
        let (y, _) = normalise(ctx, &held.shares[0], None, &self.shape, gamma, held.vector.as_ref())?;
        settle(ctx, &y, self.shape.f).map(Output::Share)
    }
}
