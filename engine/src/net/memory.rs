//! Channels within one process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, Transport};
use super::queue::{Halt, Queue};
use super::shaped::Shaper;
use super::{Channel, Link, TcpOptions};

/// The queue of one end is the incoming queue of the other: nothing needs to be carried.
struct Memory {
    shaper: Mutex<Shaper>,
}

impl Transport for Memory {
    fn ready(&self, bytes: usize) -> Instant {
        self.shaper.lock().unwrap_or_else(PoisonError::into_inner).slot(Instant::now(), bytes).arrival()
    }

    fn shape(&self, link: Link) {
        *self.shaper.lock().unwrap_or_else(PoisonError::into_inner) = Shaper::new(link);
    }

    fn flush(&self, _: &Queue, _: Duration) -> Result<(), Halt> {
        Ok(())
    }

    fn finish(&self, _: &Queue, _: Duration) {}
}

/// The two ends of an in-process channel between roles `a` and `b`: first the one `a` holds (its peer is `b`), then
/// the one `b` holds.
pub fn pair(a: &str, b: &str) -> (Box<dyn Channel>, Box<dyn Channel>) {
    pair_with(a, b, &TcpOptions::default())
}

/// As [`pair`], with the queue length (per direction), frame limit and stall time of `opts`.
pub fn pair_with(a: &str, b: &str, opts: &TcpOptions) -> (Box<dyn Channel>, Box<dyn Channel>) {
    let [forth, back] = [0; 2].map(|_| Arc::new(Queue::new(opts.queue_bytes)));
    let [near, far] = [0; 2].map(|_| Memory { shaper: Mutex::new(Shaper::new(Link::LOOPBACK)) });
    let held_by_a = Endpoint::new(b, forth.clone(), back.clone(), opts, near);
    let held_by_b = Endpoint::new(a, back, forth, opts, far);
    (Box::new(held_by_a), Box::new(held_by_b))
}
