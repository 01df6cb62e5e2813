//! Frechet distance of two sets of features.
//!
//! `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` for means and covariances (Dowson and Landau 1982; Heusel et al.,
//! <https://arxiv.org/abs/1706.08500>). What it means depends on the network that made the features: a distance on a small
//! classifier's features is no Inception FID and cannot be compared with one. It is biased upward for few images.

use std::path::Path;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};

/// Mean and covariance of a set of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: DVector<f64>,
    /// Covariance, normalised by one less than the number of rows.
    pub covariance: DMatrix<f64>,
}

impl Moments {
    /// Of rows of `width` numbers, at least two.
    pub fn of(features: &[f32], width: usize) -> Option<Self> {
        let n = features.len().checked_div(width)?;
        if n < 2 || features.len() != n * width {
            return None;
        }
        let rows = DMatrix::from_row_iterator(n, width, features.iter().map(|v| f64::from(*v)));
        let mean: DVector<f64> = rows.row_mean().transpose();
        let centred = DMatrix::from_fn(n, width, |i, j| rows[(i, j)] - mean[j]);
        let covariance = centred.transpose() * &centred / (n - 1) as f64;
        Some(Self { mean, covariance })
    }

    /// Reads `mean` `[d]` and `covariance` `[d, d]` in 64-bit floats.
    pub fn read(path: &Path, file: &SafeTensors<'_>) -> Result<Self> {
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let t = file.tensor(name).map_err(|e| Error::input(path, format!("tensor {name}: {e}")))?;
            if t.dtype() != Dtype::F64 {
                return Err(Error::input(path, format!("tensor {name} is of type {:?}, expected F64", t.dtype())));
            }
            Ok(t.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect())
        };
        let (mean, covariance) = (numbers("mean")?, numbers("covariance")?);
        let d = mean.len();
        if d == 0 || covariance.len() != d * d {
            let what = format!("mean has {d} elements, so covariance needs {}, not {}", d * d, covariance.len());
            return Err(Error::input(path, what));
        }
        Ok(Self { mean: DVector::from_vec(mean), covariance: DMatrix::from_row_slice(d, d, &covariance) })
    }

    /// The file that [`Moments::read`] reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let d = self.mean.len();
        let bytes = |values: Vec<f64>| values.into_iter().flat_map(f64::to_le_bytes).collect::<Vec<u8>>();
        let (mean, covariance) = (
            bytes(self.mean.iter().copied().collect()),
            // Symmetric: columns are rows.
            bytes(self.covariance.iter().copied().collect()),
        );
        let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F64, shape, data);
        let bad = |e: safetensors::SafeTensorError| Error::Setting(format!("moments cannot be stored: {e}"));
        let tensors = [
            ("mean", view(vec![d], &mean).map_err(bad)?),
            ("covariance", view(vec![d, d], &covariance).map_err(bad)?),
        ];
        safetensors::serialize(tensors, None).map_err(bad)
    }
}

/// The distance; `None` if the features have different widths.
///
/// The trace of the root of `C1 C2` is that of the root of `C1^(1/2) C2 C1^(1/2)`, which is symmetric: two symmetric
/// eigenproblems, and no complex numbers where a covariance has no full rank.
pub fn frechet(a: &Moments, b: &Moments) -> Option<f64> {
    if a.mean.len() != b.mean.len() {
        return None;
    }
    let eigen = SymmetricEigen::new(a.covariance.clone());
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    let root = &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose();
    let inner = &root * &b.covariance * &root;
    let inner = (&inner + inner.transpose()) * 0.5;
    let trace: f64 = SymmetricEigen::new(inner).eigenvalues.iter().map(|v| v.max(0.0).sqrt()).sum();
    Some((&a.mean - &b.mean).norm_squared() + a.covariance.trace() + b.covariance.trace() - 2.0 * trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative to scipy's result.
    const TOLERANCE: f64 = 1e-4;

    fn fixture(name: &str) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/fixtures").join(name);
        std::fs::read(path).expect("the fixture")
    }

    fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
        let t = file.tensor(name).expect(name);
        t.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()
    }

    #[test]
    fn equals_scipy() {
        let bytes = fixture("metrics.safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        for case in ["wide", "narrow", "flat"] {
            let width = file.tensor(&format!("fid.{case}.a")).expect("features").shape()[1];
            let moments = |side: &str| Moments::of(&floats(&file, &format!("fid.{case}.{side}")), width).expect("rows");
            let want = f64::from(floats(&file, &format!("fid.{case}.distance"))[0]);
            let got = frechet(&moments("a"), &moments("b")).expect("equal widths");
            assert!((got - want).abs() <= TOLERANCE * want, "{case}: {got}, scipy says {want}");
        }
    }

    #[test]
    fn of_known_normal_distributions() {
        let moments = |mean: f64, variances: [f64; 2]| Moments {
            mean: DVector::from_element(2, mean),
            covariance: DMatrix::from_diagonal(&DVector::from_row_slice(&variances)),
        };
        let d = frechet(&moments(0.0, [4.0, 0.0]), &moments(1.0, [1.0, 9.0])).expect("equal widths");
        assert!((d - (2.0 + 1.0 + 9.0)).abs() < 1e-12, "{d}");
        let same = moments(3.0, [2.0, 5.0]);
        assert!(frechet(&same, &same).expect("equal widths").abs() < 1e-9);
        let other = Moments { mean: DVector::zeros(3), covariance: DMatrix::zeros(3, 3) };
        assert_eq!(frechet(&same, &other), None);
    }

    #[test]
    fn moments_survive_their_file() {
        let m = Moments::of(&[1.0, 2.0, 3.0, 5.0, -1.0, 0.5], 2).expect("three rows");
        let bytes = m.to_bytes().expect("stored");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        assert_eq!(Moments::read(Path::new("m"), &file).expect("read"), m);
        assert_eq!(Moments::of(&[1.0, 2.0], 2), None, "one row has no covariance");
        assert_eq!(Moments::of(&[1.0, 2.0, 3.0], 2), None);
    }
}
