//! Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004) as scikit-image computes it by default: means over windows
//! of 7x7, sample covariances, constants 0.01 and 0.03, borders left out, channels averaged.

const WINDOW: usize = 7;

/// Similarity of two images `[h, w, c]` whose values span `range`; `None` below 7x7 pixels or for different sizes.
pub fn ssim(a: &[f32], b: &[f32], [h, w, c]: [usize; 3], range: f64) -> Option<f64> {
    if h < WINDOW || w < WINDOW || c == 0 || a.len() != h * w * c || b.len() != a.len() {
        return None;
    }
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let n = (WINDOW * WINDOW) as f64;
    let mut sum = 0.0;
    for channel in 0..c {
        for top in 0..=h - WINDOW {
            for left in 0..=w - WINDOW {
                let [mut sa, mut sb, mut saa, mut sbb, mut sab] = [0.0; 5];
                for y in top..top + WINDOW {
                    for x in left..left + WINDOW {
                        let at = (y * w + x) * c + channel;
                        let (p, q) = (f64::from(a[at]), f64::from(b[at]));
                        sa += p;
                        sb += q;
                        saa += p * p;
                        sbb += q * q;
                        sab += p * q;
                    }
                }
                let (ma, mb) = (sa / n, sb / n);
                let moment = |s: f64, product: f64| (s / n - product) * n / (n - 1.0);
                let (va, vb, cov) = (moment(saa, ma * ma), moment(sbb, mb * mb), moment(sab, ma * mb));
                sum += (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            }
        }
    }
    Some(sum / ((h - WINDOW + 1) * (w - WINDOW + 1) * c) as f64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::SafeTensors;

    use super::*;

    #[test]
    fn equals_scikit_image() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/fixtures/metrics.safetensors");
        let bytes = std::fs::read(path).expect("the fixture");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let floats = |name: &str| -> (Vec<f32>, Vec<usize>) {
            let t = file.tensor(name).expect(name);
            let values = t.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")));
            (values.collect(), t.shape().to_vec())
        };
        for case in ["grey", "colour", "alike"] {
            let ((a, shape), (b, _)) = (floats(&format!("ssim.{case}.a")), floats(&format!("ssim.{case}.b")));
            let want = f64::from(floats(&format!("ssim.{case}.value")).0[0]);
            let got = ssim(&a, &b, [shape[0], shape[1], shape[2]], 2.0).expect("large enough");
            assert!((got - want).abs() < 1e-5, "{case}: {got}, scikit-image says {want}");
        }
    }

    #[test]
    fn an_image_is_like_itself_and_small_ones_have_no_window() {
        let a: Vec<f32> = (0..81).map(|i| (i as f32 * 0.7).sin()).collect();
        assert!((ssim(&a, &a, [9, 9, 1], 2.0).expect("large enough") - 1.0).abs() < 1e-12);
        // Mirrored about a mean far from zero: the brightness agrees, the structure is the opposite.
        let (above, below): (Vec<f32>, Vec<f32>) = a.iter().map(|v| (2.0 + v, 2.0 - v)).unzip();
        assert!(ssim(&above, &below, [9, 9, 1], 2.0).expect("large enough") < 0.0);
        assert_eq!(ssim(&a[..54], &a[..54], [6, 9, 1], 2.0), None);
        assert_eq!(ssim(&a, &a[..80], [9, 9, 1], 2.0), None);
    }
}
