//! Wall time of what several threads do at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long at least one thread was at something: a second in which several were counts once.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    threads: usize,
    since: Option<Instant>,
    total: Duration,
}

/// A thread is at it for as long as this lives.
pub(crate) struct Running(Arc<Clock>);

impl Clock {
    /// The calling thread begins.
    pub(crate) fn run(self: &Arc<Self>) -> Running {
        self.begin();
        Running(self.clone())
    }

    /// The time so far.
    pub(crate) fn total(&self) -> Duration {
        let state = self.lock();
        state.total + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn begin(&self) {
        let mut state = self.lock();
        state.threads += 1;
        state.since.get_or_insert_with(Instant::now);
    }

    fn end(&self) {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads == 0 {
            let stretch = state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            state.total += stretch;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Does something that does not count.
    pub(crate) fn pause<T>(&self, other: impl FnOnce() -> T) -> T {
        self.0.end();
        let out = other();
        self.0.begin();
        out
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_do_at_once_counts_once() {
        const STEP: Duration = Duration::from_millis(40);
        let clock = Arc::new(Clock::default());
        let start = Instant::now();
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    let running = clock.run();
                    std::thread::sleep(STEP);
                    running.pause(|| std::thread::sleep(STEP));
                });
            }
        });
        let (total, wall) = (clock.total(), start.elapsed());
        assert!(total >= STEP && total <= wall, "{total:?} of {wall:?}");
        std::thread::sleep(STEP);
        assert_eq!(clock.total(), total, "nobody is at it");
    }
}
