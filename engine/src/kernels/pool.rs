//! Largest values and means of windows.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest value.
    Max,
    /// The mean.
    Mean,
}

/// Square windows over a batch of images. What of a window lies outside the image does not count: neither as a value nor in
/// the number that a mean divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Images, height, width, channels.
    pub image: [usize; 4],
    /// Extent of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows above and below, columns left and right, that windows may reach into; less than `kernel`.
    pub pad: usize,
}

impl PoolShape {
    /// Windows along an extent of `n`.
    pub fn extent(&self, n: usize) -> usize {
        (n + 2 * self.pad - self.kernel) / self.stride + 1
    }
}

/// `out[n, y, x, c]` = the largest, or the mean, of `x[n, y s + i - pad, x s + j - pad, c]` over `i, j < k`.
pub fn pool(rec: &mut Recorder, what: Pool, x: &Buf, s: &PoolShape, out: &Buf) -> Result<(), GpuError> {
    let [images, h, w, c] = s.image;
    let (rows, cols) = (s.extent(h), s.extent(w));
    let n = images * rows * cols * c;
    let kernel = match what {
        Pool::Max => Kernel::new("pool"),
        Pool::Mean => Kernel::new("pool").with("MEAN"),
    };
    rec.run(
        &kernel,
        args![n: n, h: h, w: w, c: c, rows: rows, cols: cols, kernel: s.kernel, stride: s.stride, pad: s.pad],
        bufs![x: x, out: out],
        n,
    )
}
