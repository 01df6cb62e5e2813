//! What a tournament sees of a value.

/// A value of 24 bits without the lowest `shift`.
pub fn coarse(v: u64, shift: u32) -> u32 {
    (v as u32 & 0xff_ffff) >> shift
}
