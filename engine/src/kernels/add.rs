//! Elementwise sums of `f32`.

use super::lanes;
use crate::gpu::{Buf, GpuError, Recorder};
use crate::{args, streams};

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
            let each = 4 * lane;
            rec.run_each(&kernel, args![], streams![a: a => each, b: b => each, out: out => each], (n / lane, 1))
        }
        Some(s) => {
            let (kernel, lane) = lanes("add", &[s.channels]);
            let (each, image, channels) = (4 * lane, s.image / lane, s.channels / lane);
            let streams = streams![a: a => each, b: b => 0, out: out => each];
            rec.run_each(&kernel.with("VECTOR"), args![image: image, channels: channels], streams, (n / lane, 1))
        }
    }
}
