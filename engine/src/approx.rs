//! Polynomial stand-ins for SiLU, GELU and the exponential, as data and as functions on `f64`.
//!
//! Sources, all as printed in Appendix A of Song, Park, Kim, Park and Yang, "Secure inference for diffusion models via
//! unconditional scores":
//!
//! * *Precise*: the piecewise polynomials of BumbleBee (Lu et al., NDSS 2025, <https://eprint.iacr.org/2023/1678>) and
//!   `exp(x) = (1 + x/2^8)^(2^8)`.
//! * *Loose*: the paper's own fits, with fewer segments and lower degrees.
//! * *CipherDM*: the exponential of CipherDM. The printed coefficients are those of a power series in `t = 1 + x/7`
//!   (its value at `x = 0` is 0.952 and at `x = -7` is -0.011; read as Chebyshev coefficients they would give -1.05
//!   there). CipherDM's networks have no activation but ReLU; where one is met, Precise serves.
//!
//! The exponential is that of a softmax: its argument is `x - max(x) <= 0`, and the approximations hold only there.
//! QuickGELU has no table in the paper; it is SiLU rescaled, `silu(1.702 x) / 1.702`.

use std::fmt;
use std::str::FromStr;

use crate::graph::ops::Function;

/// Which set of stand-ins a model runs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approx {
    /// The functions themselves.
    #[default]
    Exact,
    /// BumbleBee's polynomials.
    Precise,
    /// The paper's loose polynomials.
    Loose,
    /// CipherDM's exponential, Precise activations.
    Cipherdm,
}

/// What a piecewise function is between two thresholds.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// `0`
    Zero,
    /// `sum c[k] x^k`, coefficients in ascending order of the power.
    Poly(Vec<f64>),
    /// `x`
    Identity,
}

/// A function given by segments, half-open to the right: segment `i` holds on `[thresholds[i-1], thresholds[i])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Piecewise {
    /// Strictly ascending borders.
    pub thresholds: Vec<f64>,
    /// One more than there are thresholds.
    pub segments: Vec<Segment>,
}

/// A stand-in for `exp` on `x <= 0`.
#[derive(Clone, Debug, PartialEq)]
pub enum Exp {
    /// Polynomials in `x`.
    Poly(Piecewise),
    /// `(1 + x / 2^log2)^(2^log2)` by `log2` squarings; 0 below `cutoff`.
    RepeatedSquaring {
        /// Number of squarings.
        log2: u32,
        /// Where the function becomes 0.
        cutoff: f64,
    },
    /// `sum c[k] t^k` with `t = 1 + x / divisor`; 0 below `cutoff`.
    Mapped {
        /// Half of the interval's length.
        divisor: f64,
        /// Where the function becomes 0.
        cutoff: f64,
        /// Coefficients in ascending order of the power.
        coefficients: Vec<f64>,
    },
}

/// Scale between QuickGELU and SiLU.
pub const QUICK_GELU: f64 = 1.702;

const PRECISE_SILU_LOW: [f64; 3] = [-0.3067541139982155, -0.0819767021525476, -0.0055465625580307];
const PRECISE_SILU: [f64; 7] =
    [0.0085064025895951, 0.5, 0.228143084172827, 0., -0.011113046708173, 0., 0.0002743776353465];
const LOOSE_SILU: [f64; 9] =
    [0.00882801754, 0.500011828, 0.228920817, 0., -0.0118558684, 0., 0.000397939016, 0., -0.00000528080234];
const PRECISE_GELU_LOW: [f64; 4] = [-0.5054031199708174, -0.4222658115198386, -0.1180761295118195, -0.0110341340306157];
const PRECISE_GELU: [f64; 7] =
    [0.008526321541038, 0.5, 0.3603292692789629, 0., -0.037688200365904, 0., 0.0018067462606141];
const LOOSE_GELU: [f64; 5] = [0.03222096, 0.49693733, 0.30074739, 0., -0.01625818];
const LOOSE_EXP: [f64; 5] = [0.98805643, 0.91766503, 0.36066246, 0.06755453, 0.00488676];
const CIPHERDM_EXP: [f64; 8] =
    [-0.01111495, -0.0238906, 0.09208474, 0.28150564, -0.27598784, -0.41698096, 0.66811776, 0.6377824];

impl Approx {
    /// All sets.
    pub const ALL: [Approx; 4] = [Approx::Exact, Approx::Precise, Approx::Loose, Approx::Cipherdm];

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Approx::Exact => "exact",
            Approx::Precise => "precise",
            Approx::Loose => "loose",
            Approx::Cipherdm => "cipherdm",
        }
    }

    /// The table of an activation; `None` where the function itself is meant. ReLU is piecewise linear in every set.
    pub fn activation(self, function: Function) -> Option<Piecewise> {
        match (function, self) {
            (Function::Relu, _) => Some(Piecewise::relu()),
            (_, Approx::Exact) => None,
            (Function::Silu, _) => Some(self.silu_table()),
            (Function::QuickGelu, _) => Some(self.silu_table().rescaled(QUICK_GELU)),
            (Function::Gelu, _) => Some(self.gelu_table()),
        }
    }

    /// The form of the exponential; `None` where `exp` itself is meant.
    pub fn exponential(self) -> Option<Exp> {
        Some(match self {
            Approx::Exact => return None,
            Approx::Precise => Exp::RepeatedSquaring { log2: 8, cutoff: -14.0 },
            Approx::Loose => Exp::Poly(Piecewise::new(&[-4.8], vec![Segment::Zero, poly(&LOOSE_EXP)])),
            Approx::Cipherdm => Exp::Mapped { divisor: 7.0, cutoff: -14.0, coefficients: CIPHERDM_EXP.to_vec() },
        })
    }

    fn silu_table(self) -> Piecewise {
        let (zero, high) = (Segment::Zero, Segment::Identity);
        match self {
            Approx::Loose => Piecewise::new(&[-5.4, 4.0], vec![zero, poly(&LOOSE_SILU), high]),
            _ => Piecewise::new(&[-8.0, -4.0, 4.0], vec![zero, poly(&PRECISE_SILU_LOW), poly(&PRECISE_SILU), high]),
        }
    }

    fn gelu_table(self) -> Piecewise {
        let (zero, high) = (Segment::Zero, Segment::Identity);
        match self {
            Approx::Loose => Piecewise::new(&[-2.1, 3.0], vec![zero, poly(&LOOSE_GELU), high]),
            _ => Piecewise::new(&[-5.0, -1.97, 3.0], vec![zero, poly(&PRECISE_GELU_LOW), poly(&PRECISE_GELU), high]),
        }
    }

    /// The activation at one point. Builds its table every time: for many points take [`Approx::activation`] once.
    pub fn apply(self, function: Function, x: f64) -> f64 {
        match (function, self.activation(function)) {
            (_, Some(table)) => table.eval(x),
            (Function::Silu, None) => exact_silu(x),
            (Function::Gelu, None) => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
            (Function::QuickGelu, None) => exact_silu(QUICK_GELU * x) / QUICK_GELU,
            (Function::Relu, None) => x.max(0.0),
        }
    }

    /// `x / (1 + exp(-x))` or its stand-in.
    pub fn silu(self, x: f64) -> f64 {
        self.apply(Function::Silu, x)
    }

    /// `x Phi(x)` or its stand-in.
    pub fn gelu(self, x: f64) -> f64 {
        self.apply(Function::Gelu, x)
    }

    /// `silu(1.702 x) / 1.702` with this set's SiLU.
    pub fn quick_gelu(self, x: f64) -> f64 {
        self.apply(Function::QuickGelu, x)
    }

    /// `exp(x)` or its stand-in, which is meant for `x <= 0` only.
    pub fn exp(self, x: f64) -> f64 {
        match self.exponential() {
            Some(form) => form.eval(x),
            None => libm::exp(x),
        }
    }
}

impl fmt::Display for Approx {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no set of approximations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown approximation {0:?}; known: exact, precise, loose, cipherdm")]
pub struct UnknownApprox(pub String);

impl FromStr for Approx {
    type Err = UnknownApprox;

    fn from_str(s: &str) -> Result<Self, UnknownApprox> {
        Approx::ALL.into_iter().find(|a| a.name() == s).ok_or_else(|| UnknownApprox(s.into()))
    }
}

impl Piecewise {
    fn new(thresholds: &[f64], segments: Vec<Segment>) -> Self {
        Self { thresholds: thresholds.to_vec(), segments }
    }

    /// `max(x, 0)`
    pub fn relu() -> Self {
        Self::new(&[0.0], vec![Segment::Zero, Segment::Identity])
    }

    /// `min(max(x, low), high)` for `low < high`.
    pub fn clamp(low: f64, high: f64) -> Self {
        Self::new(&[low, high], vec![Segment::Poly(vec![low]), Segment::Identity, Segment::Poly(vec![high])])
    }

    /// The table of `x -> f(s x) / s` for `s > 0`.
    pub fn rescaled(self, s: f64) -> Self {
        let scaled = |c: Vec<f64>| c.iter().enumerate().map(|(k, c)| c * s.powi(k as i32 - 1)).collect();
        Self {
            thresholds: self.thresholds.iter().map(|t| t / s).collect(),
            segments: (self.segments.into_iter())
                .map(|segment| match segment {
                    Segment::Poly(c) => Segment::Poly(scaled(c)),
                    other => other,
                })
                .collect(),
        }
    }

    /// Value at one point.
    pub fn eval(&self, x: f64) -> f64 {
        let i = self.thresholds.iter().filter(|t| x >= **t).count();
        match self.segments.get(i) {
            Some(Segment::Poly(c)) => horner(c, x),
            Some(Segment::Identity) => x,
            Some(Segment::Zero) | None => 0.0,
        }
    }
}

impl Exp {
    /// Value at one point, for `x <= 0`.
    pub fn eval(&self, x: f64) -> f64 {
        match self {
            Exp::Poly(table) => table.eval(x),
            Exp::RepeatedSquaring { cutoff, .. } | Exp::Mapped { cutoff, .. } if x < *cutoff => 0.0,
            Exp::RepeatedSquaring { log2, .. } => (0..*log2).fold(1.0 + x / 2f64.powi(*log2 as i32), |y, _| y * y),
            Exp::Mapped { divisor, coefficients, .. } => horner(coefficients, x / divisor + 1.0),
        }
    }
}

fn poly(c: &[f64]) -> Segment {
    Segment::Poly(c.to_vec())
}

/// `sum c[k] x^k`.
pub(crate) fn horner(c: &[f64], x: f64) -> f64 {
    c.iter().rev().fold(0.0, |y, c| y * x + c)
}

fn exact_silu(x: f64) -> f64 {
    x / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    const TOLERANCE: f64 = 1e-13;

    /// Largest difference between `f` on the grid `x` and the fixture's column `y`.
    fn distance(x: &str, y: &str, f: impl Fn(f64) -> f64) -> f64 {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/fixtures/approx.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let column = |name| -> Vec<f64> {
            file.tensor(name)
                .unwrap()
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect()
        };
        let (x, y) = (column(x), column(y));
        assert!(x.len() > 2000 && x.len() == y.len());
        x.iter().zip(&y).map(|(x, y)| (f(*x) - y).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn equal_to_the_fixtures() {
        type F = fn(Approx, f64) -> f64;
        let (silu, gelu, exp): (F, F, F) = (Approx::silu, Approx::gelu, Approx::exp);
        for (grid, column, set, f) in [
            ("x", "silu", Approx::Exact, silu),
            ("x", "gelu", Approx::Exact, gelu),
            ("x", "quick_gelu", Approx::Exact, Approx::quick_gelu),
            ("xneg", "exp", Approx::Exact, exp),
            ("x", "precise_silu", Approx::Precise, silu),
            ("x", "loose_silu", Approx::Loose, silu),
            ("x", "precise_gelu", Approx::Precise, gelu),
            ("x", "loose_gelu", Approx::Loose, gelu),
            ("xneg", "precise_exp", Approx::Precise, exp),
            ("xneg", "loose_exp", Approx::Loose, exp),
            ("xneg", "cipherdm_exp", Approx::Cipherdm, exp),
            ("x", "precise_silu", Approx::Cipherdm, silu),
        ] {
            let d = distance(grid, column, |x| f(set, x));
            assert!(d <= TOLERANCE, "{column}: {d:e}");
        }
    }

    #[test]
    fn stand_ins_are_as_close_as_measured() {
        let worst = |f: fn(Approx, f64) -> f64, set, low: f64, high: f64| {
            let grid = (0..=4000).map(|i| low + (high - low) * i as f64 / 4000.0);
            grid.map(|x| (f(set, x) - f(Approx::Exact, x)).abs()).fold(0.0, f64::max)
        };
        for (f, set, low, bound) in [
            (Approx::exp as fn(Approx, f64) -> f64, Approx::Precise, -14.0, 0.00106),
            (Approx::exp, Approx::Loose, -14.0, 0.01195),
            (Approx::exp, Approx::Cipherdm, -14.0, 0.0485),
            (Approx::silu, Approx::Precise, -12.0, 0.072),
            (Approx::silu, Approx::Loose, -12.0, 0.072),
            (Approx::gelu, Approx::Precise, -12.0, 0.0333),
            (Approx::gelu, Approx::Loose, -12.0, 0.083),
            (Approx::quick_gelu, Approx::Loose, -12.0, 0.0423),
        ] {
            let high = if low == -14.0 { 0.0 } else { 12.0 };
            let w = worst(f, set, low, high);
            assert!(w <= bound, "{set} on [{low}, {high}]: {w} > {bound}");
        }
    }

    #[test]
    fn segments_are_half_open() {
        assert_eq!(Approx::Loose.silu(4.0), 4.0);
        assert_ne!(Approx::Loose.silu(4.0f64.next_down()), 4.0);
        assert_ne!(Approx::Loose.exp(-4.8), 0.0);
        assert_eq!(Approx::Loose.exp((-4.8f64).next_down()), 0.0);
        assert_ne!(Approx::Precise.exp(-14.0), 0.0);
        assert_eq!(Approx::Precise.exp(-14.5), 0.0);
    }

    #[test]
    fn relu_and_clamp() {
        for x in [-3.0, -0.0, 0.0, 0.5, 9.0] {
            assert_eq!(Approx::Loose.apply(Function::Relu, x), f64::max(x, 0.0));
            assert_eq!(Piecewise::clamp(-1.0, 1.0).eval(x), x.clamp(-1.0, 1.0));
        }
    }

    #[test]
    fn quick_gelu_is_a_rescaled_silu() {
        for i in -200..=200 {
            let x = i as f64 / 20.0 + 0.001;
            for set in Approx::ALL {
                let d = (set.quick_gelu(x) - set.silu(QUICK_GELU * x) / QUICK_GELU).abs();
                assert!(d < 1e-12, "{set} at {x}: {d:e}");
            }
        }
    }

    #[test]
    fn names_parse() {
        for set in Approx::ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        assert_eq!("Exact".parse::<Approx>(), Err(UnknownApprox("Exact".into())));
    }
}
