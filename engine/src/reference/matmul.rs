//! `a b` for matrices that may be strided.

use super::Number;
use crate::kernels::Strided;

/// Position of element (z, row, column).
pub fn position(s: &Strided, z: usize, row: usize, col: usize) -> usize {
    s.offset + (z / s.inner) * s.outer_stride + (z % s.inner) * s.inner_stride + row * s.row_stride + col * s.col_stride
}

/// Products of all batches as `[batches][m][n]`, each element from `zero` or the column's bias on; `k` terms.
pub fn matmul<T: Number>(
    zero: T,
    (a, a_layout): (&[T], &Strided),
    (b, b_layout): (&[T], &Strided),
    bias: Option<&[T]>,
    (m, k, n): (usize, usize, usize),
) -> Vec<T> {
    let mut out = Vec::with_capacity(a_layout.batches * m * n);
    for z in 0..a_layout.batches {
        let zb = if b_layout.batches == 1 { 0 } else { z };
        for row in 0..m {
            for col in 0..n {
                let mut sum = bias.map_or(zero, |bias| bias[col]).sum();
                for i in 0..k {
                    sum = T::mac(sum, a[position(a_layout, z, row, i)], b[position(b_layout, zb, i, col)]);
                }
                out.push(T::value(sum));
            }
        }
    }
    out
}
