//! Feynman-Kac steering: particles, and which of them go on.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Origin;
use crate::sampling::SamplingError;

/// The reward of each sample: a logarithm of a probability, or anything else that is better when larger.
pub type Verifier<'a> = dyn FnMut(&[f32]) -> Result<Vec<f64>, SamplingError> + 'a;

/// Settings of Feynman-Kac steering with the potential `exp(lambda max r)`, the largest reward so far of a particle's line.
///
/// After every `every`-th step the particles of an image are drawn anew (with replacement) in proportion to their
/// potentials; at the end the one with the largest reward is kept. A sampler without noise keeps copies alike, so that
/// steering can only prune there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steering {
    /// Samples of each image.
    pub particles: usize,
    /// Sharpness of the selection.
    pub lambda: f64,
    /// Steps between selections.
    pub every: usize,
}

impl Steering {
    /// Noise of an image's particles. The first is the image's own.
    pub(super) fn origins(&self, image: &Origin) -> Vec<Origin> {
        (0..self.particles as u64).map(|p| Origin { seed: image.seed, image: image.image + (p << 32) }).collect()
    }

    /// Whether particles are selected before the update of step `i`. Never in the last step: then the best is kept.
    pub(super) fn looks_at(&self, i: usize, steps: usize) -> bool {
        (i + 1).is_multiple_of(self.every.max(1)) && i + 1 < steps
    }

    /// Which sample goes on at each place; updates the largest rewards of the lines.
    pub(super) fn choose(&self, origins: &[Origin], step: usize, rewards: &[f64], best: &mut [f64]) -> Vec<usize> {
        best.iter_mut().zip(rewards).for_each(|(b, r)| *b = b.max(*r));
        let mut chosen = Vec::with_capacity(best.len());
        for (group, lines) in best.chunks(self.particles).enumerate() {
            let first = group * self.particles;
            let most = lines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let potential = |r: &f64| if most.is_finite() { (self.lambda * (r - most)).exp() } else { 1.0 };
            let potentials: Vec<f64> = lines.iter().map(potential).collect();
            let total: f64 = potentials.iter().sum();
            let mut uniform = uniforms(&origins[first], step);
            for _ in lines {
                let mut left = uniform() * total;
                let place = potentials.iter().position(|p| {
                    left -= p;
                    left < 0.0
                });
                chosen.push(first + place.unwrap_or(lines.len() - 1));
            }
        }
        let lines: Vec<f64> = chosen.iter().map(|c| best[*c]).collect();
        best.copy_from_slice(&lines);
        chosen
    }

    /// The sample with the largest reward of each group, of samples of `len` elements.
    pub(super) fn best(&self, rewards: &[f64], len: usize, samples: &[f32]) -> Vec<f32> {
        let best = |group: &[f64]| (0..group.len()).max_by(|a, b| group[*a].total_cmp(&group[*b])).unwrap_or(0);
        let groups = rewards.chunks(self.particles).enumerate();
        groups.flat_map(|(g, r)| &samples[(g * self.particles + best(r)) * len..][..len]).copied().collect()
    }
}

fn uniforms(origin: &Origin, step: usize) -> impl FnMut() -> f64 {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&origin.seed.to_le_bytes());
    key[8..16].copy_from_slice(&origin.image.to_le_bytes());
    key[16..].copy_from_slice(b"masque/steering\0");
    let mut rng = ChaCha20Rng::from_seed(key);
    rng.set_stream(step as u64);
    move || (rng.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEERING: Steering = Steering { particles: 3, lambda: 50.0, every: 2 };

    #[test]
    fn particles_of_high_reward_go_on_within_their_image() {
        let origins: Vec<Origin> = (0..2).flat_map(|i| STEERING.origins(&Origin { seed: 1, image: i })).collect();
        let mut best = vec![f64::NEG_INFINITY; 6];
        let chosen = STEERING.choose(&origins, 1, &[-9.0, -0.1, -8.0, -7.0, -6.0, -0.2], &mut best);
        assert_eq!(chosen, [1, 1, 1, 5, 5, 5]);
        assert_eq!(best, [-0.1, -0.1, -0.1, -0.2, -0.2, -0.2]);
        // What a line has reached is not lost when a later look is worse.
        STEERING.choose(&origins, 3, &[-9.0; 6], &mut best);
        assert_eq!(best[0], -0.1);
    }

    #[test]
    fn equal_rewards_choose_by_chance_alone() {
        let origins: Vec<Origin> = (0..500).flat_map(|i| STEERING.origins(&Origin { seed: 1, image: i })).collect();
        let chosen = STEERING.choose(&origins, 1, &[-1.0; 1500], &mut [f64::NEG_INFINITY; 1500]);
        let first = chosen.iter().filter(|c| c.is_multiple_of(3)).count();
        assert!((400..600).contains(&first), "{first} of 1500");
        assert!(chosen.iter().enumerate().all(|(i, c)| i / 3 == c / 3), "a particle left its image");
    }

    #[test]
    fn the_best_of_each_group_is_kept() {
        let samples: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(STEERING.best(&[0.0, 2.0, 1.0, 5.0, 4.0, 3.0], 2, &samples), [2.0, 3.0, 6.0, 7.0]);
        let looks: Vec<usize> = (0..8).filter(|i| STEERING.looks_at(*i, 8)).collect();
        assert_eq!(looks, [1, 3, 5]);
    }
}
