//! Rounding to fixed point.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, streams};

/// Rounds `n` elements in place to `bits` fraction bits, ties to even.
pub fn round(rec: &mut Recorder, bits: u32, x: &Buf, n: usize) -> Result<(), GpuError> {
    rec.run_each(&Kernel::new("round"), args![unit: (bits as f32).exp2()], streams![x: x => 4], (n, 1))
}
