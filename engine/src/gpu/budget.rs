//! A bound on the device memory that weights take for longer than the layer that reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much weights may hold, and how much they do.
#[derive(Debug)]
pub(super) struct Budget {
    most: u64,
    held: AtomicU64,
}

impl Budget {
    /// Nothing is held yet; without a bound everything may be.
    pub(super) fn new(most: Option<u64>) -> Arc<Self> {
        Arc::new(Self { most: most.unwrap_or(u64::MAX), held: AtomicU64::new(0) })
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// A part of it, if as much is left.
    pub(super) fn hold(self: &Arc<Self>, bytes: u64) -> Option<Lease> {
        let more = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Lease { budget: self.clone(), bytes })
    }
}

/// A part of a device's budget; it goes back when this is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_held_than_may_be() {
        let budget = Budget::new(Some(100));
        let first = budget.hold(60).expect("room");
        assert!(budget.hold(41).is_none() && budget.hold(u64::MAX).is_none());
        let second = budget.hold(40).expect("room");
        assert_eq!(budget.held(), 100);
        drop(first);
        assert_eq!(budget.held(), 40);
        assert!(budget.hold(60).is_some());
        drop(second);
        assert_eq!(budget.held(), 0);
        let none = Budget::new(Some(0));
        assert!(none.hold(1).is_none() && none.hold(0).is_some());
        assert!(Budget::new(None).hold(u64::MAX).is_some());
    }
}
