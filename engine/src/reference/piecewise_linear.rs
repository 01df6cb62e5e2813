//! Piecewise polynomials of degree 1, with the words of [`super::piecewise`].

params!(
    /// As in the shader.
    Params { n: usize, k: u32, branches: usize, segments: usize, selected: usize, first: u32 }
);

/// Without switches.
pub fn piecewise_linear(p: &Params, delta: &[u64], bits: &[u32], table: &[u64], dealt: &[u64], out: &mut [u64]) {
    let Params { n, k, branches, segments, selected, first } = *p;
    let general = super::piecewise::Params { n, k, branches, segments, selected, degree: 1, first };
    super::piecewise::piecewise(&general, delta, bits, table, dealt, out);
}
