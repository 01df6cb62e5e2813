//! Rounding to fixed point.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// Rounds `n` elements in place to `bits` fraction bits, ties to even.
pub fn round(rec: &mut Recorder, bits: u32, x: &Buf, n: usize) -> Result<(), GpuError> {
    rec.run(&Kernel::new("round"), args![n: n, unit: (bits as f32).exp2()], bufs![x: x], n)
}
