//! What a kernel sees at each position of an image, side by side.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// A kernel over a batch of images whose extent stays: zeros around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfoldShape {
    /// Images, height, width, channels.
    pub image: [usize; 4],
    /// Rows and columns of the kernel, odd.
    pub kernel: [usize; 2],
}

/// `out[n, y, x, (i, j, c)] = x[n, y + i - rows / 2, x + j - columns / 2, c]`; zero outside.
pub fn unfold(rec: &mut Recorder, x: &Buf, s: &UnfoldShape, out: &Buf) -> Result<(), GpuError> {
    let ([images, h, w, c], [rows, cols]) = (s.image, s.kernel);
    let (kernel, lane) = lanes("unfold", &[c]);
    let n = images * h * w * rows * cols * c / lane;
    rec.run(&kernel, args![n: n, h: h, w: w, c: c / lane, rows: rows, cols: cols], bufs![x: x, out: out], n)
}
