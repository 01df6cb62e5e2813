//! Largest values and means of windows, in `f64`.

use crate::kernels::{Pool, PoolShape};

/// The largest value or the mean of what of each window lies inside the image.
pub fn pool(what: Pool, x: &[f32], s: &PoolShape) -> Vec<f32> {
    let [images, h, w, c] = s.image;
    let mut out = Vec::new();
    for image in 0..images {
        for row in 0..s.extent(h) {
            for column in 0..s.extent(w) {
                for channel in 0..c {
                    let mut seen = Vec::new();
                    for i in 0..s.kernel {
                        for j in 0..s.kernel {
                            let (y, z) = (row * s.stride + i, column * s.stride + j);
                            if (s.pad..s.pad + h).contains(&y) && (s.pad..s.pad + w).contains(&z) {
                                seen.push(f64::from(x[((image * h + y - s.pad) * w + z - s.pad) * c + channel]));
                            }
                        }
                    }
                    out.push(match what {
                        Pool::Max => seen.into_iter().fold(f64::NEG_INFINITY, f64::max) as f32,
                        Pool::Mean => (seen.iter().sum::<f64>() / seen.len() as f64) as f32,
                    });
                }
            }
        }
    }
    out
}
