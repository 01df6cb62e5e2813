//! Elementwise sums of `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, bufs};

/// A per-image vector that is added at every position of an image.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast {
    /// Elements of an image.
    pub image: usize,
    /// Elements of the vector.
    pub channels: usize,
}

/// `out = a + b` for `n` elements of `a`; with a broadcast `b` is `[images][channels]` and `a` is
/// `[images][..][channels]`.
pub fn add(
    rec: &mut Recorder,
    a: &Buf,
    b: &Buf,
    broadcast: Option<Broadcast>,
    out: &Buf,
    n: usize,
) -> Result<(), GpuError> {
    match broadcast {
        None => {
            let (kernel, lane) = lanes("add", &[n]);
            rec.run(&kernel, args![n: n / lane], bufs![a: a, b: b, out: out], n / lane)
        }
        Some(s) => {
            let (kernel, lane) = lanes("add", &[s.channels]);
            let params = args![n: n / lane, image: s.image / lane, channels: s.channels / lane];
            rec.run(&kernel.with("VECTOR"), params, bufs![a: a, b: b, out: out], n / lane)
        }
    }
}
