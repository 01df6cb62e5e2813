//! Largest values of windows.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// Square windows over a batch of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Images, height, width, channels.
    pub image: [usize; 4],
    /// Extent of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
}

impl PoolShape {
    /// Windows along an extent of `n`: those that lie inside.
    pub fn extent(&self, n: usize) -> usize {
        (n - self.kernel) / self.stride + 1
    }
}

/// `out[n, y, x, c] = max x[n, y s + i, x s + j, c]` over `i, j < k`.
pub fn max_pool(rec: &mut Recorder, x: &Buf, s: &PoolShape, out: &Buf) -> Result<(), GpuError> {
    let [images, h, w, c] = s.image;
    let (rows, cols) = (s.extent(h), s.extent(w));
    let n = images * rows * cols * c;
    rec.run(
        &Kernel::new("max_pool"),
        args![n: n, h: h, w: w, c: c, rows: rows, cols: cols, kernel: s.kernel, stride: s.stride],
        bufs![x: x, out: out],
        n,
    )
}
