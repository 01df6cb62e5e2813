//! What a network's values on shares need, where the usual fixed-point plan does not suit it.

use masque_engine::exec::{Plan, PlanConfig, PlanError};
use masque_engine::graph::Graph;
use serde::Deserialize;

use super::Fields;
use crate::ModelError;

/// The field `fixed_point` of a `config.json`, which other programs ignore: settings of the plan that differ from the usual.
///
/// The paper divides the input of a normalisation by a factor d, so that its variance suits CrypTen's ranges (Appendix A:
/// 8 in the text encoder, `sqrt(512 * 512 * 256 / d_x)` in the decoder). Here the range moves instead of the value:
/// dividing by d is the same as adding `2 log2 d` to both ends of [`FixedPoint::variance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FixedPoint {
    /// Binary logarithms of the smallest and largest variance a normalisation is exact for.
    pub variance: Option<(i32, i32)>,
    /// Inputs of activations stay below 2 to this.
    pub range: Option<u32>,
    /// Fraction bits of activations.
    pub activation: Option<u32>,
}

impl FixedPoint {
    /// Takes the field from a configuration.
    pub(super) fn take(f: &mut Fields) -> Result<Self, ModelError> {
        const NAME: &str = "fixed_point";
        let it: Self = f.or(NAME, Self::default())?;
        let bad = |what: &str| Err(f.error(NAME, what));
        match it {
            Self { variance: Some((lo, hi)), .. } if !(-24 <= lo && lo < hi && hi <= 24) => {
                bad("variance must be two ascending numbers from -24 to 24: binary logarithms")
            }
            Self { range: Some(r), .. } if !(3..=10).contains(&r) => bad("range is not in 3..=10"),
            Self { activation: Some(a), .. } if !(8..=16).contains(&a) => bad("activation is not in 8..=16"),
            it => Ok(it),
        }
    }

    /// The plan of a graph: the usual settings, with as many fraction bits as its normalisations leave room for, and these
    /// differences.
    pub fn plan(self, graph: &Graph, usual: PlanConfig) -> Result<Plan, PlanError> {
        Plan::new(graph, self.of(usual.fitting(graph)))
    }

    /// The usual settings with these differences.
    pub fn of(self, usual: PlanConfig) -> PlanConfig {
        PlanConfig {
            variance: self.variance.unwrap_or(usual.variance),
            range: self.range.unwrap_or(usual.range),
            activation: self.activation.unwrap_or(usual.activation),
            ..usual
        }
    }
}
