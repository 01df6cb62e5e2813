//! Kernels with the code that calls them: one file per kernel, `shaders/` and [`crate::reference`] have files of the same
//! names.

pub mod conv2d;
pub mod matmul;
pub mod pack_b;

pub use conv2d::{ConvShape, conv2d, pack_conv, pack_conv_with_bias};
pub use matmul::{Element, Mode, Strided, matmul};
pub use pack_b::{Packed, pack, pack_with_bias};
