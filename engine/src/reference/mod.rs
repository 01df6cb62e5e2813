//! Plain loops over `&[u64]` and `&[f32]`, one file per kernel, written to be read beside the WGSL: what tests compare with.
//!
//! A twin of an elementwise kernel takes the shader's parameters and buffers by the shader's names, and writes the elements
//! of its outputs that the shader writes, no others. The shader's head comment is the contract of both.

#![expect(clippy::needless_range_loop, reason = "loops that look like the shaders' are easier to compare with them")]

/// Declares the twin of a shader's `Params`. Names are the shader's, so that a test dispatches with what it gives the twin.
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($field:ident : $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        #[expect(missing_docs, reason = "the shader says what its parameters are")]
        pub struct $name {
            $(pub $field: $kind),*
        }

        impl $name {
            /// The parameters of a dispatch of the shader.
            pub fn args(&self) -> Vec<(&'static str, crate::gpu::Word)> {
                vec![$((stringify!($field), self.$field.into())),*]
            }
        }
    };
}

pub mod activation;
pub mod add;
pub mod affine;
pub mod chacha;
pub mod chosen;
pub mod coarse;
pub mod combine;
pub mod compare_deal;
pub mod compare_final;
pub mod compare_leaf;
pub mod compare_level;
pub mod compare_products;
pub mod compare_wide;
pub mod conv2d;
pub mod copy;
pub mod deal;
pub mod encode;
pub mod gather;
pub mod group_norm;
pub mod guidance;
pub mod layer_norm;
pub mod lift;
pub mod lift_deal;
pub mod map;
pub mod matmul;
pub mod maximum;
pub mod maximum_deal;
pub mod multiply;
pub mod open;
pub mod pack;
pub mod pairs;
pub mod pick;
pub mod pick_deal;
pub mod piecewise;
pub mod piecewise_deal;
pub mod pool;
pub mod prg;
pub mod product;
pub mod quartic_deal;
pub mod quartic_square;
pub mod quartic_value;
pub mod raise;
pub mod raise_deal;
pub mod reduce;
pub mod ring;
pub mod round;
pub mod scale;
pub mod segment;
pub mod select;
pub mod select_deal;
pub mod shorts;
pub mod softmax;
pub mod truncate;
pub mod unfold;
pub mod unpack;
pub mod xor;

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
