//! The operations that can be measured. A line in [`FAMILIES`] adds one.

mod elementwise;
mod norm;
mod product;
mod shapes;
mod softmax;

use masque_engine::approx::Approx;
use masque_engine::gpu::Buf;
use masque_engine::protocol::{Bits, Cost, Ctx, Error, RowMaximum, ServerWeights, Share, Wire};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Result;

/// What is wanted of the operations.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Elements of elementwise operations and of softmax.
    pub elements: usize,
    /// Columns of softmax.
    pub columns: usize,
    /// Interval of the inputs of elementwise operations and softmax.
    pub range: Option<(f64, f64)>,
    /// Only these approximations; all if empty.
    pub approx: Vec<Approx>,
    /// How softmax finds row maxima.
    pub maxima: Vec<RowMaximum>,
    /// Name of a shape, in operations that have one of that name.
    pub shape: Option<String>,
    /// Small shapes where none is named.
    pub small: bool,
    /// Most bytes of a buffer.
    pub limit: u64,
}

impl Wanted {
    /// The asked interval or the usual one, if it lies within what the operation takes.
    fn interval(&self, op: &str, usual: (f64, f64), (least, most): (f64, f64)) -> Result<(f64, f64)> {
        let (low, high) = self.range.unwrap_or(usual);
        if low < high && least <= low && high <= most {
            return Ok((low, high));
        }
        Err(format!("--range {low},{high}: {op} takes an interval within {least},{most}").into())
    }

    fn wants(&self, approx: Approx) -> bool {
        self.approx.is_empty() || self.approx.contains(&approx)
    }

    /// The asked one of `all` by name, or the small, or the usual one.
    fn shape<'a, S>(&self, all: &'a [(&'static str, S)], usual: &str, small: &str) -> &'a (&'static str, S) {
        let named = self.shape.as_ref().and_then(|name| all.iter().find(|(n, _)| n == name));
        let default = if self.small { small } else { usual };
        named.or_else(|| all.iter().find(|(n, _)| *n == default)).expect("the default shape is in the table")
    }
}

/// Operations, each a row of the table.
pub type Rows = Result<Vec<Box<dyn Operation>>>;

/// Several operations under one name on the command line.
pub struct Family {
    /// That name.
    pub name: &'static str,
    /// Its rows.
    pub rows: fn(&Wanted) -> Rows,
    /// Names of its shapes.
    pub shapes: fn() -> Vec<&'static str>,
}

const NO_SHAPES: fn() -> Vec<&'static str> = Vec::new;

/// Everything that can be measured, in the order in which it is shown.
pub const FAMILIES: &[Family] = &[
    Family { name: "silu", rows: elementwise::silu, shapes: NO_SHAPES },
    Family { name: "gelu", rows: elementwise::gelu, shapes: NO_SHAPES },
    Family { name: "exp", rows: elementwise::exp, shapes: NO_SHAPES },
    Family { name: "relu", rows: elementwise::relu, shapes: NO_SHAPES },
    Family { name: "compare", rows: elementwise::compare, shapes: NO_SHAPES },
    Family { name: "multiply", rows: elementwise::multiply, shapes: NO_SHAPES },
    Family { name: "truncate", rows: elementwise::truncate, shapes: NO_SHAPES },
    Family { name: "reciprocal", rows: elementwise::reciprocal, shapes: NO_SHAPES },
    Family { name: "rsqrt", rows: elementwise::rsqrt, shapes: NO_SHAPES },
    Family { name: "softmax", rows: softmax::rows, shapes: softmax::shapes },
    Family { name: "groupnorm", rows: norm::group, shapes: norm::group_shapes },
    Family { name: "layernorm", rows: norm::layer, shapes: norm::layer_shapes },
    Family { name: "matmul", rows: product::matmul, shapes: product::matmul_shapes },
    Family { name: "conv", rows: product::conv, shapes: product::conv_shapes },
];

/// The families of these names, all if there are none; an unknown name, or a shape that none of them has, is an error.
pub fn select(names: &[String], shape: Option<&str>) -> Result<Vec<&'static Family>> {
    let known = || FAMILIES.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
    let one = |name: &String| {
        let found = FAMILIES.iter().find(|f| f.name == name);
        found.ok_or_else(|| format!("no operation is called {name:?}; there are {}", known()))
    };
    let chosen: Vec<&Family> = match names {
        [] => FAMILIES.iter().collect(),
        names => names.iter().map(one).collect::<std::result::Result<_, _>>()?,
    };
    if let Some(shape) = shape {
        let all: Vec<&str> = chosen.iter().flat_map(|f| (f.shapes)()).collect();
        if !all.contains(&shape) {
            let list = if all.is_empty() { "none of these operations has named shapes".into() } else { all.join(", ") };
            return Err(format!("no shape is called {shape:?}; there are: {list}").into());
        }
    }
    Ok(chosen)
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Name of the operation.
    pub op: &'static str,
    /// Which form of it, besides the approximation; for people.
    pub form: String,
    /// Approximation set, where it has one.
    pub approx: Option<Approx>,
    /// Extents, for people.
    pub size: String,
    /// Interval of the inputs.
    pub range: Option<(f64, f64)>,
    /// What it reveals beyond the default.
    pub leaks: Option<&'static str>,
}

/// An operation with its inputs, its protocol and what its result should be. Large ones are cut into pieces that fit the
/// adapter's buffers; a piece is computed at once, pieces one after another.
pub trait Operation: Send + Sync {
    /// What it is.
    fn label(&self) -> Label;

    /// Elements of the result.
    fn elements(&self) -> usize;

    /// Number of pieces.
    fn pieces(&self) -> usize;

    /// Inputs and results of a piece.
    fn piece(&self, index: usize) -> Piece;

    /// Brings a piece's inputs into the form in which the operation meets them; not timed.
    fn prepare(&self, ctx: &mut Ctx, inputs: Vec<Share>, piece: &Piece) -> std::result::Result<Held, Error>;

    /// What a piece costs between the roles, by its protocols' formulas. A run that costs anything else is an error.
    fn cost(&self, index: usize) -> std::result::Result<Cost, Error>;

    /// The operation.
    fn run(&self, ctx: &mut Ctx, held: &Held) -> std::result::Result<Output, Error>;
}

/// Values to be shared: fixed point with `f` fraction bits in Z_2^k.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Integers.
    pub values: Vec<i64>,
    /// Ring bits.
    pub k: u32,
    /// Fraction bits.
    pub f: u32,
}

impl Tensor {
    /// Rounds reals.
    pub fn new(reals: &[f64], k: u32, f: u32) -> Self {
        let unit = f64::from(f).exp2();
        Self { values: reals.iter().map(|v| (v * unit).round() as i64).collect(), k, f }
    }
}

/// One piece of an operation.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// Secret inputs.
    pub inputs: Vec<Tensor>,
    /// What the server knows.
    pub weights: Vec<i64>,
    /// A further vector that the server knows.
    pub vector: Vec<i64>,
    /// Which elements of the result are compared; all if empty.
    pub at: Vec<usize>,
    /// Their exact values.
    pub exact: Vec<f64>,
    /// Their values by the approximation in plaintext, where there is one.
    pub plain: Option<Vec<f64>>,
}

/// What a role holds when an operation begins.
#[derive(Default)]
pub struct Held {
    /// Additive shares.
    pub shares: Vec<Share>,
    /// Opened wires.
    pub wires: Vec<Wire>,
    /// A layer's weights.
    pub weights: Option<ServerWeights>,
    /// A vector at the server.
    pub vector: Option<Buf>,
}

/// The result of an operation at one role.
pub enum Output {
    /// An additive share.
    Share(Share),
    /// An opened wire.
    Wire(Wire),
    /// Masked bits.
    Bits(Bits),
}

/// How many elements go into a piece of at most `limit` bytes a buffer, for `bytes` bytes an element in the largest.
fn per_piece(n: usize, bytes: usize, limit: u64) -> usize {
    let most = usize::try_from(limit).unwrap_or(usize::MAX) / bytes.max(1);
    // As equal as possible, in whole groups of 64.
    let pieces = n.div_ceil(most.max(1));
    n.div_ceil(pieces.max(1)).next_multiple_of(64).min(most.max(1)).min(n)
}

/// A generator of its own for each purpose, the same in every run.
fn rng(purpose: u64, index: usize) -> ChaCha20Rng {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&purpose.to_le_bytes());
    seed[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    ChaCha20Rng::from_seed(seed)
}

/// Uniform in [0, 1).
fn unit(rng: &mut ChaCha20Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

/// Nearly normal with variance 1.
fn normal(rng: &mut ChaCha20Rng) -> f64 {
    (0..12).map(|_| unit(rng)).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit_and_are_even() {
        assert_eq!(per_piece(1000, 8, 1 << 20), 1000);
        let piece = per_piece(1 << 20, 160, 128 << 20);
        assert!(piece * 160 <= 128 << 20 && (1usize << 20).div_ceil(piece) == 2, "{piece}");
        assert_eq!(per_piece(5, 1 << 30, 1 << 20), 1, "an element that is too large is for the device to refuse");
    }

    #[test]
    fn names_select() {
        let names = |n: &[&str]| n.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(select(&[], None).unwrap().len(), FAMILIES.len());
        assert_eq!(select(&names(&["exp", "conv"]), None).unwrap().len(), 2);
        assert!(select(&names(&["sine"]), None).err().unwrap().to_string().contains("silu"));
        assert!(select(&names(&["conv"]), Some("res-8")).is_ok());
        assert!(select(&names(&["conv"]), Some("gn-8")).err().unwrap().to_string().contains("res-8"));
        assert!(select(&names(&["silu"]), Some("res-8")).is_err());
    }
}
