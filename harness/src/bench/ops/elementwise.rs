//! Operations on each element by itself.

use masque_engine::approx::{Approx, Piecewise};
use masque_engine::graph::ops::Function;
use masque_engine::protocol::{
    self, Cost, Ctx, Error, Map, Octaves, Share, SoftmaxSpec, Window, Wire, activation_cost, compare_cost,
    exponential_cost, inverse_cost, lift_cost, multiply_cost, open_cost,
};

use super::{Held, Label, Operation, Output, Piece, Rows, Tensor, Wanted, per_piece, rng, unit};

/// Fraction bits of the inputs' shares, which live in Z_2^64.
const INPUT: u32 = 20;
/// Ring and fraction bits of an activation's wire: those of the models.
const WIRE: (u32, u32) = (24, 10);
/// Fraction bits of an activation's result.
const RESULT: u32 = 12;
/// Least ring of a result that is opened next, as before a convolution of Stable Diffusion v1.5, and of one that is multiplied by
/// another value there.
const OPENED: u32 = 24;
const MULTIPLIED: u32 = 36;

type Fallible<T> = std::result::Result<T, Error>;
type Run = Box<dyn Fn(&mut Ctx, &Held) -> Fallible<Output> + Send + Sync>;
type Open = Box<dyn Fn(&mut Ctx, Vec<Share>) -> Fallible<Held> + Send + Sync>;
type Formula = Box<dyn Fn(usize) -> Fallible<Cost> + Send + Sync>;
type Function64 = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// A function of one or two elements.
struct Elementwise {
    label: Label,
    n: usize,
    /// Elements of a piece.
    piece: usize,
    range: (f64, f64),
    inputs: usize,
    /// Fraction bits of the inputs.
    f: u32,
    exact: Function64,
    plain: Option<Function64>,
    prepare: Open,
    run: Run,
    /// Of so many elements.
    cost: Formula,
}

impl Elementwise {
    /// An operation on one element, of which the largest buffer holds `widest` bytes, with its protocol and that one's cost.
    fn new(
        op: &'static str,
        wanted: &Wanted,
        range: (f64, f64),
        widest: usize,
        exact: Function64,
        (run, cost): (Run, Formula),
    ) -> Self {
        let size = String::new();
        Self {
            label: Label { op, form: String::new(), approx: None, size, range: Some(range), leaks: None },
            n: wanted.elements,
            piece: per_piece(wanted.elements, widest, wanted.limit),
            range,
            inputs: 1,
            f: INPUT,
            exact,
            plain: None,
            prepare: Box::new(|_, shares| Ok(Held { shares, ..Held::default() })),
            run,
            cost,
        }
    }

    fn length(&self, index: usize) -> usize {
        self.piece.min(self.n - index * self.piece)
    }

    fn approximated(mut self, approx: Approx, plain: Function64) -> Self {
        self.label.approx = Some(approx);
        self.plain = Some(plain);
        self
    }

    fn boxed(self) -> Rows {
        Ok(vec![Box::new(self)])
    }
}

impl Operation for Elementwise {
    fn label(&self) -> Label {
        self.label.clone()
    }

    fn elements(&self) -> usize {
        self.n
    }

    fn pieces(&self) -> usize {
        self.n.div_ceil(self.piece)
    }

    /// The first operand has one value in each of `n` equal parts of the interval, so that mean square errors hardly depend
    /// on chance; a second one is uniform.
    fn piece(&self, index: usize) -> Piece {
        let (at, n) = (index * self.piece, self.length(index));
        let mut rng = rng(1, index);
        let (low, length) = (self.range.0, self.range.1 - self.range.0);
        let points: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let first = low + length * ((at + i) as f64 + unit(&mut rng)) / self.n as f64;
                std::iter::once(first).chain((1..self.inputs).map(|_| low + length * unit(&mut rng))).collect()
            })
            .collect();
        let operand = |j: usize| {
            let reals: Vec<f64> = points.iter().map(|p| p[j]).collect();
            Tensor::new(&reals, 64, self.f)
        };
        let all = |f: &Function64| points.iter().map(|p| f(p)).collect();
        Piece {
            inputs: (0..self.inputs).map(operand).collect(),
            exact: all(&self.exact),
            plain: self.plain.as_ref().map(all),
            ..Piece::default()
        }
    }

    fn prepare(&self, ctx: &mut Ctx, inputs: Vec<Share>, _piece: &Piece) -> Fallible<Held> {
        (self.prepare)(ctx, inputs)
    }

    fn cost(&self, index: usize) -> Fallible<Cost> {
        (self.cost)(self.length(index))
    }

    fn run(&self, ctx: &mut Ctx, held: &Held) -> Fallible<Output> {
        (self.run)(ctx, held)
    }
}

fn open(ctx: &mut Ctx, x: &Share, (k, f): (u32, u32)) -> Fallible<Wire> {
    protocol::open(ctx, x, x.f - f, k)
}

/// 17 bits at most of a wire with `f` fraction bits that hold a range, as the models take them for their declared one.
fn window(range: (f64, f64), f: u32) -> Window {
    let bits = range.0.abs().max(range.1.abs()).log2().floor() as i32 + 2;
    let hi = (f as i32 + bits).max(8) as u32;
    Window { lo: hi.saturating_sub(17), hi }
}

fn tabulated(
    op: &'static str,
    function: Function,
    table: Piecewise,
    to: u32,
    wanted: &Wanted,
    range: (f64, f64),
) -> Elementwise {
    let exact = Box::new(move |x: &[f64]| Approx::Exact.apply(function, x[0]));
    let formula = table.clone();
    let cost = Box::new(move |n: usize| {
        let applied = activation_cost(n, WIRE, &formula, window(range, WIRE.1), RESULT, to)?;
        Ok(open_cost(&[(n, WIRE.0)]) + applied)
    });
    let run = Box::new(move |ctx: &mut Ctx, held: &Held| {
        let x = open(ctx, &held.shares[0], WIRE)?;
        protocol::activation(ctx, &x, &table, window(range, WIRE.1), RESULT, to).map(Output::Share)
    });
    Elementwise::new(op, wanted, range, 160, exact, (run, cost))
}

/// What fits a wire of an activation.
const ACTIVATION: (f64, f64) = (-250.0, 250.0);

fn activation(op: &'static str, function: Function, to: u32, wanted: &Wanted, usual: (f64, f64)) -> Rows {
    let range = wanted.interval(op, usual, ACTIVATION)?;
    let sets = [Approx::Precise, Approx::Loose].into_iter().filter(|a| wanted.wants(*a));
    let rows = sets.map(|approx| {
        let table = approx.activation(function).expect("every stand-in has a table");
        let plain = table.clone();
        let row = tabulated(op, function, table, to, wanted, range);
        Box::new(row.approximated(approx, Box::new(move |x| plain.eval(x[0])))) as Box<dyn Operation>
    });
    Ok(rows.collect())
}

/// SiLU on the interval over which the paper minimised.
pub fn silu(wanted: &Wanted) -> Rows {
    activation("silu", Function::Silu, OPENED, wanted, (-8.0, 4.0))
}

/// GELU on the paper's interval.
pub fn gelu(wanted: &Wanted) -> Rows {
    activation("gelu", Function::Gelu, MULTIPLIED, wanted, (-5.0, 3.0))
}

/// ReLU.
pub fn relu(wanted: &Wanted) -> Rows {
    let range = wanted.interval("relu", (-8.0, 8.0), ACTIVATION)?;
    tabulated("relu", Function::Relu, Piecewise::relu(), OPENED, wanted, range).boxed()
}

/// The exponential on the paper's interval.
pub fn exp(wanted: &Wanted) -> Rows {
    let range = wanted.interval("exp", (-14.0, 0.0), (-250.0, 0.0))?;
    let sets = [Approx::Precise, Approx::Loose, Approx::Cipherdm].into_iter().filter(|a| wanted.wants(*a));
    let rows = sets.map(|approx| {
        let spec = SoftmaxSpec { scale: 1.0, approx };
        let f = spec.logit_fraction();
        let run = Box::new(move |ctx: &mut Ctx, held: &Held| {
            let x = open(ctx, &held.shares[0], (WIRE.0, f))?;
            protocol::exponential(ctx, &x, &spec, window(range, f)).map(Output::Share)
        });
        let cost = Box::new(move |n: usize| {
            Ok(open_cost(&[(n, WIRE.0)]) + exponential_cost(n, WIRE.0, &spec, window(range, f))?)
        });
        let row = Elementwise::new("exp", wanted, range, 160, Box::new(|x| x[0].exp()), (run, cost));
        Box::new(row.approximated(approx, Box::new(move |x| approx.exp(x[0])))) as Box<dyn Operation>
    });
    Ok(rows.collect())
}

/// `x < 0` for an opened x, to masked bits.
pub fn compare(wanted: &Wanted) -> Rows {
    let range = wanted.interval("compare", (-8.0, 8.0), ACTIVATION)?;
    let run = Box::new(move |ctx: &mut Ctx, held: &Held| {
        protocol::compare(ctx, &held.wires[0], &[0], window(range, WIRE.1)).map(Output::Bits)
    });
    let cost = Box::new(move |n: usize| Ok(compare_cost(n, 1, window(range, WIRE.1))));
    let exact = Box::new(|x: &[f64]| f64::from(u8::from(x[0] < 0.0)));
    let mut row = Elementwise::new("compare", wanted, range, 32, exact, (run, cost));
    row.label.form = "x < 0, opened x".into();
    row.prepare = Box::new(|ctx, shares| {
        let wires = vec![open(ctx, &shares[0], WIRE)?];
        Ok(Held { wires, ..Held::default() })
    });
    row.boxed()
}

/// Product of two opened wires, truncated and opened.
pub fn multiply(wanted: &Wanted) -> Rows {
    const FACTOR: (u32, u32) = (40, 16);
    const PRODUCT: u32 = 24;
    let run = Box::new(|ctx: &mut Ctx, held: &Held| {
        let z = protocol::multiply(ctx, &held.wires[0], &held.wires[1], Map::SAME)?;
        open(ctx, &z, (PRODUCT, FACTOR.1)).map(Output::Wire)
    });
    let cost = Box::new(|n: usize| Ok(multiply_cost(n, FACTOR.0) + open_cost(&[(n, PRODUCT)])));
    let range = wanted.interval("multiply", (-8.0, 8.0), (-8.0, 8.0))?;
    let mut row = Elementwise::new("multiply", wanted, range, 16, Box::new(|x| x[0] * x[1]), (run, cost));
    row.label.form = "opened, result too".into();
    row.inputs = 2;
    row.prepare = Box::new(|ctx, shares| {
        let wires = shares.iter().map(|x| open(ctx, x, FACTOR)).collect::<Fallible<_>>()?;
        Ok(Held { wires, ..Held::default() })
    });
    row.boxed()
}

/// Truncation of 16 bits that returns to the ring of 64 bits (by itself it costs nothing and the ring shrinks).
pub fn truncate(wanted: &Wanted) -> Rows {
    const BITS: u32 = 16;
    let run = Box::new(|ctx: &mut Ctx, held: &Held| {
        let x = protocol::truncate(ctx, &held.shares[0], BITS)?;
        let x = protocol::open(ctx, &x, 0, 64 - BITS)?;
        protocol::lift(ctx, &x, 64).map(Output::Share)
    });
    let cost = Box::new(|n: usize| Ok(open_cost(&[(n, 64 - BITS)]) + lift_cost(n, 64 - BITS, 64)));
    let range = wanted.interval("truncate", (-1024.0, 1024.0), (-8192.0, 8192.0))?;
    let mut row = Elementwise::new("truncate", wanted, range, 16, Box::new(|x| x[0]), (run, cost));
    row.label.form = "16 bits, ring kept".into();
    row.f = 32;
    row.boxed()
}

fn inverted(op: &'static str, power: f64, wanted: &Wanted) -> Rows {
    const WIRE: (u32, u32) = (28, 14);
    const RESULT: u32 = 16;
    let range = wanted.interval(op, (0.1, 8.0), (0.001, 4096.0))?;
    let octave = |v: f64| v.log2() + f64::from(WIRE.1);
    let octaves = Octaves { lo: octave(range.0).floor().max(1.0) as u32, hi: octave(range.1).ceil().max(2.0) as u32 };
    // The protocol sees integers: x times 2^WIRE.1.
    let gain = (f64::from(WIRE.1) * -power).exp2();
    let run = Box::new(move |ctx: &mut Ctx, held: &Held| {
        let x = open(ctx, &held.shares[0], WIRE)?;
        protocol::inverse(ctx, &x, power, gain, octaves, RESULT).map(Output::Share)
    });
    let cost =
        Box::new(
            move |n: usize| Ok(open_cost(&[(n, WIRE.0)]) + inverse_cost(n, WIRE.0, power, gain, octaves, RESULT)?),
        );
    // Dealt words of the result's polynomial: 6 (1 + s) + s for s half octaves.
    let widest = 8 * (7 * 2 * (octaves.hi - octaves.lo) as usize + 6);
    Elementwise::new(op, wanted, range, widest, Box::new(move |x| x[0].powf(power)), (run, cost)).boxed()
}

/// `1 / x`.
pub fn reciprocal(wanted: &Wanted) -> Rows {
    inverted("reciprocal", -1.0, wanted)
}

/// `1 / sqrt x`.
pub fn rsqrt(wanted: &Wanted) -> Rows {
    inverted("rsqrt", -0.5, wanted)
}
