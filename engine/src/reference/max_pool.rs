//! Largest values of windows.

use crate::kernels::PoolShape;

/// The largest value of each window that lies inside the image.
pub fn max_pool(x: &[f32], s: &PoolShape) -> Vec<f32> {
    let [images, h, w, c] = s.image;
    let mut out = Vec::new();
    for image in 0..images {
        for row in 0..s.extent(h) {
            for column in 0..s.extent(w) {
                for channel in 0..c {
                    let mut most = f32::NEG_INFINITY;
                    for i in 0..s.kernel {
                        for j in 0..s.kernel {
                            let (y, z) = (row * s.stride + i, column * s.stride + j);
                            most = most.max(x[((image * h + y) * w + z) * c + channel]);
                        }
                    }
                    out.push(most);
                }
            }
        }
    }
    out
}
