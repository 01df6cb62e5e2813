//! A block as 32 elements of 16 bits.

/// All elements, low halves first.
pub fn shorts(block: &[u32; 16]) -> [u32; 32] {
    std::array::from_fn(|i| block[i / 2] >> (16 * (i % 2)) & 0xffff)
}
