//! The dealer's words for [`super::piecewise_linear`].

params!(
    /// As in the shader.
    Params { n: usize, k: u32, branches: usize, segments: usize, selected: usize }
);

/// Without switches.
pub fn piecewise_linear_deal(p: &Params, lam: &[u64], masks: &[u64], table: &[u64], out: &mut [u64]) {
    let Params { n, k, branches, segments, selected } = *p;
    let general = super::piecewise_deal::Params { n, k, branches, segments, selected, degree: 1 };
    super::piecewise_deal::piecewise_deal(&general, lam, masks, table, out);
}
