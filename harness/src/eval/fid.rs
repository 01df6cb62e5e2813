//! Frechet distance of two sets of features.
//!
//! `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` for means and covariances (Dowson and Landau 1982; Heusel et al.,
//! <https://arxiv.org/abs/1706.08500>). What it means depends on the network that made the features: a distance on a small
//! classifier's features is no Inception FID and cannot be compared with one. It is biased upward for few images.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::eigen::Matrix;
use crate::error::{Error, Result};

/// Mean and covariance of a set of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f64>,
    /// Covariance, normalised by one less than the number of rows.
    pub covariance: Matrix,
}

impl Moments {
    /// Of rows of `width` numbers, at least two.
    pub fn of(features: &[f32], width: usize) -> Option<Self> {
        let n = features.len().checked_div(width)?;
        if n < 2 || features.len() != n * width {
            return None;
        }
        let at = |row: usize, i: usize| f64::from(features[row * width + i]);
        let mean: Vec<f64> = (0..width).map(|i| (0..n).map(|row| at(row, i)).sum::<f64>() / n as f64).collect();
        let product =
            |i: usize, j: usize| (0..n).map(|row| (at(row, i) - mean[i]) * (at(row, j) - mean[j])).sum::<f64>();
        let covariance = Matrix::from_fn(width, |i, j| product(i, j) / (n - 1) as f64);
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
        Ok(Self { mean, covariance: Matrix { n: d, entries: covariance } })
    }

    /// The file that [`Moments::read`] reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let d = self.mean.len();
        let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (mean, covariance) = (bytes(&self.mean), bytes(&self.covariance.entries));
        let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F64, shape, data);
        let bad = |e: safetensors::SafeTensorError| Error::Setting(format!("moments cannot be stored: {e}"));
        let tensors =
            [("mean", view(vec![d], &mean).map_err(bad)?), ("covariance", view(vec![d, d], &covariance).map_err(bad)?)];
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
    let root = a.covariance.root();
    let inner = root.times(&b.covariance).times(&root);
    // Symmetric but for rounding.
    let inner = Matrix::from_fn(inner.n, |i, j| (inner.at(i, j) + inner.at(j, i)) / 2.0);
    let trace: f64 = inner.eigen().0.iter().map(|v| v.max(0.0).sqrt()).sum();
    let means: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    Some(means + a.covariance.trace() + b.covariance.trace() - 2.0 * trace)
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
            mean: vec![mean; 2],
            covariance: Matrix::from_fn(2, |i, j| if i == j { variances[i] } else { 0.0 }),
        };
        let d = frechet(&moments(0.0, [4.0, 0.0]), &moments(1.0, [1.0, 9.0])).expect("equal widths");
        assert!((d - (2.0 + 1.0 + 9.0)).abs() < 1e-12, "{d}");
        let same = moments(3.0, [2.0, 5.0]);
        assert!(frechet(&same, &same).expect("equal widths").abs() < 1e-9);
        let other = Moments { mean: vec![0.0; 3], covariance: Matrix::from_fn(3, |_, _| 0.0) };
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
