//! Symmetric matrices: eigenvalues and eigenvectors by Jacobi's cyclic rotations, in 64-bit floats.

/// Sweeps after which a matrix of finite numbers is diagonal; about ten are the rule.
const SWEEPS: usize = 60;

/// A square matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows and columns.
    pub n: usize,
    /// Entries.
    pub entries: Vec<f64>,
}

impl Matrix {
    /// Of a function of row and column.
    pub fn from_fn(n: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        Self { n, entries: (0..n * n).map(|i| f(i / n, i % n)).collect() }
    }

    /// An entry.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.entries[row * self.n + column]
    }

    /// Sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.at(i, i)).sum()
    }

    /// The product.
    pub fn times(&self, other: &Self) -> Self {
        Self::from_fn(self.n, |i, j| (0..self.n).map(|k| self.at(i, k) * other.at(k, j)).sum())
    }

    /// Eigenvalues, and the matrix whose columns are the eigenvectors, of a symmetric matrix.
    pub fn eigen(&self) -> (Vec<f64>, Self) {
        let n = self.n;
        let mut a = self.clone();
        let mut v = Self::from_fn(n, |i, j| f64::from(u8::from(i == j)));
        let size: f64 = a.entries.iter().map(|x| x * x).sum();
        for _ in 0..SWEEPS {
            let off: f64 = (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))).map(|(p, q)| a.at(p, q).powi(2)).sum();
            if off <= size * 1e-30 || !off.is_finite() {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut a, &mut v, p, q);
                }
            }
        }
        ((0..n).map(|i| a.at(i, i)).collect(), v)
    }

    /// The root of a symmetric matrix without negative eigenvalues; those below zero by rounding count as zero.
    pub fn root(&self) -> Self {
        let (values, vectors) = self.eigen();
        let roots: Vec<f64> = values.iter().map(|v| v.max(0.0).sqrt()).collect();
        Self::from_fn(self.n, |i, j| (0..self.n).map(|k| vectors.at(i, k) * roots[k] * vectors.at(j, k)).sum())
    }
}

/// Turns the plane of two axes so that their entry vanishes.
fn rotate(a: &mut Matrix, v: &mut Matrix, p: usize, q: usize) {
    let (n, apq) = (a.n, a.at(p, q));
    if apq == 0.0 {
        return;
    }
    let theta = (a.at(q, q) - a.at(p, p)) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a.at(k, p), a.at(k, q));
        (a.entries[k * n + p], a.entries[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a.at(p, k), a.at(q, k));
        (a.entries[p * n + k], a.entries[q * n + k]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (v.at(k, p), v.at(k, q));
        (v.entries[k * n + p], v.entries[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_square_to_the_matrix() {
        for n in [1, 2, 5, 17] {
            let half = Matrix::from_fn(n, |i, j| ((i * 7 + j * 3) as f64).sin());
            let m = half.times(&Matrix::from_fn(n, |i, j| half.at(j, i)));
            let root = m.root();
            let far = root.times(&root).entries.iter().zip(&m.entries).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-10 * (1.0 + m.trace()), "{n}: {far}");
        }
    }

    #[test]
    fn eigenvalues_by_hand() {
        let m = Matrix { n: 2, entries: vec![2.0, 1.0, 1.0, 2.0] };
        let (mut values, _) = m.eigen();
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12, "{values:?}");
        let equal = Matrix { n: 2, entries: vec![4.0, 4.0, 4.0, 4.0] };
        assert!((equal.root().at(0, 1) - 2f64.sqrt()).abs() < 1e-12);
    }
}
