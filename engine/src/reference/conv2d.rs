//! Convolution of channels-last images, the kernel as `[outputs, c, kernel, kernel]`.

use super::Number;
use crate::kernels::ConvShape;

/// `[n, oh, ow, outputs]`, each element from `zero` or the output's bias on.
pub fn conv2d<T: Number>(zero: T, x: &[T], w: &[T], bias: Option<&[T]>, s: &ConvShape) -> Vec<T> {
    let mut out = Vec::with_capacity(s.positions() * s.outputs);
    for image in 0..s.n {
        for oy in 0..s.oh() {
            for ox in 0..s.ow() {
                for o in 0..s.outputs {
                    let mut sum = bias.map_or(zero, |bias| bias[o]).sum();
                    for ky in 0..s.kernel {
                        for kx in 0..s.kernel {
                            let (y, x0) = (oy * s.stride + ky, ox * s.stride + kx);
                            let inside = |v: usize, extent| v >= s.pad && v - s.pad < extent;
                            if !inside(y, s.h) || !inside(x0, s.w) {
                                continue;
                            }
                            for c in 0..s.c {
                                let pixel = (image * s.h + y - s.pad) * s.w + x0 - s.pad;
                                let tap = ((o * s.c + c) * s.kernel + ky) * s.kernel + kx;
                                sum = T::mac(sum, x[pixel * s.c + c], w[tap]);
                            }
                        }
                    }
                    out.push(T::value(sum));
                }
            }
        }
    }
    out
}
