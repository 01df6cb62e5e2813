//! Noise that an image starts from, and that some samplers add.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const INITIAL: &[u8; 16] = b"masque/noise/v1\0";
const STEP: &[u8; 16] = b"masque/step/v1\0\0";

/// `len` independent standard normals for one image.
///
/// They depend on `seed` and `image` only, so that a batch may be cut anywhere. They are the same on every machine:
/// ChaCha20 keyed by (seed, image, a constant), 53-bit uniforms, Box-Muller in `f64` with a portable mathematical
/// library. They are *not* the numbers that `torch.randn` draws from that seed.
pub fn initial_noise(seed: u64, image: u64, len: usize) -> Vec<f32> {
    normals(INITIAL, seed, image, 0, len)
}

/// `len` independent standard normals that a sampler adds to one image after one step, in every chain the same.
pub fn step_noise(seed: u64, image: u64, step: u64, len: usize) -> Vec<f32> {
    normals(STEP, seed, image, step, len)
}

fn normals(domain: &[u8; 16], seed: u64, image: u64, stream: u64, len: usize) -> Vec<f32> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&image.to_le_bytes());
    key[16..].copy_from_slice(domain);
    let mut rng = ChaCha20Rng::from_seed(key);
    rng.set_stream(stream);
    let mut uniform = || ((rng.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53);
    let mut noise = Vec::with_capacity(len + 1);
    while noise.len() < len {
        let radius = libm::sqrt(-2.0 * libm::log(uniform()));
        let angle = std::f64::consts::TAU * uniform();
        noise.push((radius * libm::cos(angle)) as f32);
        noise.push((radius * libm::sin(angle)) as f32);
    }
    noise.truncate(len);
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_normal() {
        let x = initial_noise(7, 0, 200_000);
        let n = x.len() as f64;
        let moment = |k: i32| x.iter().map(|x| (*x as f64).powi(k)).sum::<f64>() / n;
        for (k, expected, tolerance) in [(1, 0.0, 0.01), (2, 1.0, 0.015), (3, 0.0, 0.03), (4, 3.0, 0.1)] {
            assert!((moment(k) - expected).abs() < tolerance, "moment {k}: {}", moment(k));
        }
        let lag = x.windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>() / n;
        assert!(lag.abs() < 0.01, "correlation of neighbours: {lag}");
    }

    #[test]
    fn depends_on_seed_and_image_only() {
        let a = initial_noise(7, 3, 784);
        assert_eq!(a, initial_noise(7, 3, 784));
        assert_eq!(a[..783], initial_noise(7, 3, 783));
        assert_ne!(a, initial_noise(7, 4, 784));
        assert_ne!(a, initial_noise(8, 3, 784));
        assert_ne!(initial_noise(3, 7, 784), a);
        assert!(initial_noise(0, 0, 0).is_empty());
    }

    #[test]
    fn never_changes() {
        // from an independent ChaCha20
        assert_eq!(initial_noise(42, 1, 3), [-0.8889417, -1.4274547, -0.9590263]);
    }
}
