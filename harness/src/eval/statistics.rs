//! Figures of classified images, with 95 % intervals.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A figure and the ends of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959964;
const RESAMPLES: usize = 1000;

/// A share `hits / n` with Wilson's interval.
pub fn share(hits: usize, n: usize) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let (p, n, z2) = (hits as f64 / n as f64, n as f64, Z * Z);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Estimate { value: p, low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
}

/// Positions of `n` things drawn from them with replacement, as often as [`RESAMPLES`] says; always the same draws.
fn resamples(n: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    (0..RESAMPLES).map(move |_| (0..n).map(|_| (rng.next_u64() % n as u64) as usize).collect())
}

/// The interval in which 95 % of the values lie.
fn percentiles(value: f64, mut values: Vec<f64>) -> Estimate {
    values.sort_by(f64::total_cmp);
    let quantile = |q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
    Estimate { value, low: quantile(0.025), high: quantile(0.975) }
}

/// A mean with the interval of 1,000 resamples.
pub fn mean(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let n = values.len();
    let of = |rows: &[usize]| rows.iter().map(|i| values[*i]).sum::<f64>() / n as f64;
    let all: Vec<usize> = (0..n).collect();
    Some(percentiles(of(&all), resamples(n).map(|rows| of(&rows)).collect()))
}

/// What a function finds of all `n` things, and an interval of 1.96 standard deviations of what it finds of resamples to either
/// side. For statistics that resampling shifts, as it does distances of distributions. At most `times` resamples.
pub fn around(n: usize, times: usize, f: impl Fn(&[usize]) -> Option<f64>) -> Option<Estimate> {
    let all: Vec<usize> = (0..n).collect();
    let value = f(&all)?;
    let found: Vec<f64> = resamples(n).take(times).filter_map(|rows| f(&rows)).collect();
    let centre = found.iter().sum::<f64>() / found.len().max(1) as f64;
    let variance =
        found.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / found.len().saturating_sub(1).max(1) as f64;
    let half = Z * variance.sqrt();
    Some(Estimate { value, low: (value - half).max(0.0), high: value + half })
}

/// F1 averaged over the classes that were asked for; what was found may be any class.
fn macro_f1(pairs: impl Iterator<Item = (usize, usize)> + Clone) -> f64 {
    let mut classes: Vec<usize> = pairs.clone().map(|(wanted, _)| wanted).collect();
    classes.sort_unstable();
    classes.dedup();
    let one = |class: &usize| {
        let count = |f: &dyn Fn(bool, bool) -> bool| {
            pairs.clone().filter(|(wanted, found)| f(wanted == class, found == class)).count() as f64
        };
        let (hits, false_hits, misses) = (count(&|w, f| w && f), count(&|w, f| !w && f), count(&|w, f| w && !f));
        2.0 * hits / (2.0 * hits + false_hits + misses).max(1.0)
    };
    classes.iter().map(one).sum::<f64>() / classes.len().max(1) as f64
}

/// F1 averaged over the wanted classes, with the interval of 1,000 resamples of the images (seed 0).
pub fn f1(wanted: &[usize], found: &[usize]) -> Option<Estimate> {
    let n = wanted.len().min(found.len());
    if n == 0 {
        return None;
    }
    let at = |i: usize| (wanted[i], found[i]);
    let values = resamples(n).map(|rows| macro_f1(rows.iter().map(|i| at(*i)))).collect();
    Some(percentiles(macro_f1((0..n).map(at)), values))
}

/// Of the images whose unconditional sibling shows another class than was asked for, the share that shows that class: near
/// 0 for images that follow the wish, near 1 for images that follow the guidance.
pub fn drift(wanted: &[usize], found: &[usize], unconditional: &[usize]) -> Option<Estimate> {
    let other = wanted.iter().zip(found).zip(unconditional).filter(|((w, _), u)| w != u);
    let (hits, n) = other.fold((0, 0), |(hits, n), ((_, f), u)| (hits + usize::from(f == u), n + 1));
    share(hits, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_with_wilsons_interval() {
        let s = share(8, 10).expect("ten");
        // Wilson's interval of 8 out of 10 as published: 0.4902 to 0.9433.
        assert!((s.value - 0.8).abs() < 1e-12 && (s.low - 0.4902).abs() < 1e-4 && (s.high - 0.9433).abs() < 1e-4);
        let all = share(20, 20).expect("twenty");
        assert!(all.high == 1.0 && all.low > 0.8 && all.low < 0.9);
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn f1_by_hand() {
        // Class 0: 2 hits, 1 false hit, 0 misses; class 1: 1 hit, 0 false hits, 2 misses, one of them to a third class.
        let f = f1(&[0, 0, 1, 1, 1], &[0, 0, 0, 7, 1]).expect("five");
        assert!((f.value - (4.0 / 5.0 + 2.0 / 4.0) / 2.0).abs() < 1e-12, "{}", f.value);
        assert!(f.low < f.value && f.value < f.high);
        let perfect = f1(&[0, 1], &[0, 1]).expect("two");
        assert_eq!((perfect.value, perfect.low, perfect.high), (1.0, 1.0, 1.0));
        assert_eq!(f1(&[], &[]), None);
    }

    #[test]
    fn means_and_statistics_of_resamples() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let m = mean(&values).expect("many");
        // Half ones: a standard error of 0.5 / 20.
        assert!(m.value == 0.5 && (m.high - m.low - 4.0 * 0.025).abs() < 0.02, "{m:?}");
        let a = around(400, 300, |rows| Some(rows.iter().map(|i| values[*i]).sum::<f64>() / 400.0)).expect("many");
        assert!(a.value == 0.5 && (a.high - a.low - 3.92 * 0.025).abs() < 0.02, "{a:?}");
        assert!(mean(&[]).is_none() && around(3, 9, |_| None).is_none());
        // A function of distinct draws is shifted by resampling; the interval stays around the value itself.
        let distinct = |rows: &[usize]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            rows.dedup();
            Some(rows.len() as f64)
        };
        let a = around(100, 200, distinct).expect("many");
        assert!(a.value == 100.0 && a.low > 85.0 && a.high < 115.0, "{a:?}");
    }

    #[test]
    fn drift_looks_only_where_the_two_differ() {
        let d = drift(&[0, 0, 1, 1], &[1, 0, 1, 0], &[1, 1, 1, 1]).expect("two differ");
        assert_eq!(d.value, 0.5);
        assert_eq!(drift(&[1], &[1], &[1]), None);
    }
}
