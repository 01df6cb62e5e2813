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
        let mut rows = DMatrix::from_row_iterator(n, width, features.iter().map(|v| f64::from(*v)));
        let mean = rows.row_mean();
        rows.row_iter_mut().for_each(|mut row| row -= &mean);
        let covariance = rows.tr_mul(&rows) / (n - 1) as f64;
        Some(Self { mean: mean.transpose(), covariance })
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
        Ok(Self { mean: mean.into(), covariance: DMatrix::from_row_slice(d, d, &covariance) })
    }

    /// The file that [`Moments::read`] reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let d = self.mean.len();
        // A covariance is symmetric: its columns are its rows.
        let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (mean, covariance) = (bytes(self.mean.as_slice()), bytes(self.covariance.as_slice()));
        let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F64, shape, data);
        let bad = |e: safetensors::SafeTensorError| Error::Setting(format!("moments cannot be stored: {e}"));
        let tensors =
            [("mean", view(vec![d], &mean).map_err(bad)?), ("covariance", view(vec![d, d], &covariance).map_err(bad)?)];
        safetensors::serialize(tensors, None).map_err(bad)
    }
}

/// What distances are measured to: moments with the root of their covariance, which one eigenproblem finds for all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    moments: Moments,
    root: DMatrix<f64>,
}

impl Target {
    /// Of moments. Eigenvalues below zero, by rounding, count as zero.
    pub fn new(moments: Moments) -> Self {
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(moments.covariance.clone());
        let mut scaled = eigenvectors.clone();
        scaled.column_iter_mut().zip(&eigenvalues).for_each(|(mut c, v)| c *= v.max(0.0).sqrt());
        Self { moments, root: scaled * eigenvectors.transpose() }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.moments.mean.len()
    }

    /// The Frechet distance; `None` if the features have different widths.
    ///
    /// The trace of the root of `C1 C2` is that of the root of `C1^(1/2) C2 C1^(1/2)`, which is symmetric: no complex
    /// numbers where a covariance has no full rank.
    pub fn distance(&self, other: &Moments) -> Option<f64> {
        if self.width() != other.mean.len() {
            return None;
        }
        let inner = &self.root * &other.covariance * &self.root;
        // Symmetric but for rounding.
        let inner = (&inner + inner.transpose()) / 2.0;
        let trace: f64 = inner.symmetric_eigenvalues().iter().map(|v| v.max(0.0).sqrt()).sum();
        let means = (&self.moments.mean - &other.mean).norm_squared();
        Some(means + self.moments.covariance.trace() + other.covariance.trace() - 2.0 * trace)
    }
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
            let got = Target::new(moments("a")).distance(&moments("b")).expect("equal widths");
            assert!((got - want).abs() <= TOLERANCE * want, "{case}: {got}, scipy says {want}");
        }
    }

    #[test]
    fn of_known_normal_distributions() {
        let moments = |mean: f64, variances: [f64; 2]| Moments {
            mean: DVector::from_element(2, mean),
            covariance: DMatrix::from_diagonal(&DVector::from_row_slice(&variances)),
        };
        let distance = |a: &Moments, b: &Moments| Target::new(a.clone()).distance(b);
        let d = distance(&moments(0.0, [4.0, 0.0]), &moments(1.0, [1.0, 9.0])).expect("equal widths");
        assert!((d - (2.0 + 1.0 + 9.0)).abs() < 1e-12, "{d}");
        let same = moments(3.0, [2.0, 5.0]);
        assert!(distance(&same, &same).expect("equal widths").abs() < 1e-9);
        let other = Moments { mean: DVector::zeros(3), covariance: DMatrix::zeros(3, 3) };
        assert_eq!(distance(&same, &other), None);
    }

    #[test]
    fn moments_by_hand() {
        let m = Moments::of(&[1.0, 2.0, 3.0, 6.0, 5.0, 1.0], 2).expect("three rows");
        assert_eq!(m.mean.as_slice(), [3.0, 3.0]);
        // Deviations (-2, -1), (0, 3), (2, -2); sums of products over 2.
        assert_eq!(m.covariance, DMatrix::from_row_slice(2, 2, &[4.0, -1.0, -1.0, 7.0]));
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
