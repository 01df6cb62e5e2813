//! What a kernel sees at each position of an image.

use crate::kernels::UnfoldShape;

/// The taps of every position, zero outside the image.
pub fn unfold(x: &[f32], s: &UnfoldShape) -> Vec<f32> {
    let ([images, h, w, c], [rows, cols]) = (s.image, s.kernel);
    let mut out = Vec::new();
    for image in 0..images {
        for row in 0..h {
            for column in 0..w {
                for i in 0..rows {
                    for j in 0..cols {
                        for channel in 0..c {
                            let (y, z) = (row + i, column + j);
                            let inside = (rows / 2..rows / 2 + h).contains(&y) && (cols / 2..cols / 2 + w).contains(&z);
                            out.push(if inside {
                                x[((image * h + y - rows / 2) * w + z - cols / 2) * c + channel]
                            } else {
                                0.0
                            });
                        }
                    }
                }
            }
        }
    }
    out
}
