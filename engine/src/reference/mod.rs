//! Plain loops over `&[u64]` and `&[f32]`, one file per kernel, written to be read beside the WGSL: what tests compare with.

pub mod activation;
pub mod add;
pub mod conv2d;
pub mod copy;
pub mod group_norm;
pub mod matmul;
pub mod softmax;

/// Arithmetic that references are written in: wrapping on `u64`, and on `f32` accumulated in `f64`.
pub trait Number: Copy {
    /// Accumulator.
    type Sum: Copy;
    /// The accumulator that starts at a value.
    fn sum(self) -> Self::Sum;
    /// `c + a b`
    fn mac(c: Self::Sum, a: Self, b: Self) -> Self::Sum;
    /// The accumulator's value.
    fn value(c: Self::Sum) -> Self;
}

impl Number for u64 {
    type Sum = u64;
    fn sum(self) -> u64 {
        self
    }
    fn mac(c: u64, a: u64, b: u64) -> u64 {
        c.wrapping_add(a.wrapping_mul(b))
    }
    fn value(c: u64) -> u64 {
        c
    }
}

impl Number for f32 {
    type Sum = f64;
    fn sum(self) -> f64 {
        self.into()
    }
    fn mac(c: f64, a: f32, b: f32) -> f64 {
        c + f64::from(a) * f64::from(b)
    }
    fn value(c: f64) -> f32 {
        c as f32
    }
}
