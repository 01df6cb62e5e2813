//! Elementwise sums of `f32`.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// A per-image vector that is added at every position of an image.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast {
    /// Elements of an image.
    pub image: usize,
    /// Elements of the vector.
    pub channels: usize,
}

/// `out = a + b` for `n` elements of `a`; with a broadcast `b` is `[images][channels]` and `a` is `[images][..][channels]`.
pub fn add(
    rec: &mut Recorder,
    a: &Buf,
    b: &Buf,
    broadcast: Option<Broadcast>,
    out: &Buf,
    n: usize,
) -> Result<(), GpuError> {
    let params = match broadcast {
        Some(s) => args![n: n, od: s.image, om: s.channels, id: 1u32, im: s.channels],
        None => args![n: n, od: u32::MAX, om: 0u32, id: 1u32, im: u32::MAX],
    };
    rec.run(&Kernel::new("add"), params, bufs![a: a, b: b, out: out], n)
}
