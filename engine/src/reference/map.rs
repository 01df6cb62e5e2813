//! Broadcasting.

/// Which element of a smaller tensor goes with element `i` of a larger one.
pub fn mapped(od: u32, om: u32, id: u32, im: u32, i: usize) -> usize {
    let i = i as u32;
    ((i / od) * om + (i / id) % im) as usize
}
