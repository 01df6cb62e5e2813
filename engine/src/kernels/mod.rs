//! Kernels with the code that calls them: one file per kernel, `shaders/` and [`crate::reference`] have files of the
//! same names.

pub mod activation;
pub mod add;
pub mod conv2d;
pub mod copy;
pub mod gather;
pub mod group_norm;
pub mod layer_norm;
pub mod matmul;
pub mod pack_b;
pub mod pool;
pub mod product;
pub mod round;
pub mod scale;
pub mod softmax;
pub mod tiles;
pub mod unfold;
mod windows;

pub use activation::{Curve, Table, activation};
pub use add::{Broadcast, add};
pub use conv2d::{ConvShape, conv2d, pack_conv, pack_conv_with_bias};
pub use copy::{Columns, columns, concat, slice, upsample};
pub use gather::gather;
pub use group_norm::{GroupShape, group_norm};
pub use layer_norm::layer_norm;
pub use matmul::{Element, Mode, Strided, matmul};
pub use pack_b::{Format, Packed, pack, pack_with_bias};
pub use pool::{Pool, PoolShape, pool};
pub use product::product;
pub use round::round;
pub use scale::scale;
pub use softmax::{Exponential, Scores, softmax};
pub use unfold::{UnfoldShape, unfold};

use crate::gpu::Kernel;

/// An elementwise kernel, and how many elements a thread of it handles: four where all these extents allow it.
fn lanes(file: &'static str, extents: &[usize]) -> (Kernel, usize) {
    if extents.iter().all(|n| n.is_multiple_of(4)) {
        return (Kernel::new(file).with("QUAD"), 4);
    }
    (Kernel::new(file), 1)
}
