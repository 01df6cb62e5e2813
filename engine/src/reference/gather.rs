//! Rows of a table by index.

/// `table[index[row]]`, rows of `width`.
pub fn gather(index: &[f32], table: &[f32], width: usize) -> Vec<f32> {
    index.iter().flat_map(|i| table[*i as usize * width..][..width].iter().copied()).collect()
}
