//! What a role did when: kernels, openings, waits. Recorded only between [`Recorder::start_trace`] and
//! [`Recorder::take_trace`]; otherwise it costs a comparison a call.
//!
//! Kernel times are the device's own where the adapter has timestamp queries: every dispatch then runs in a pass of its
//! own, which makes a traced run somewhat slower than others. Without them a submission is one event, as the host sees it.
//!
//! [`Recorder::start_trace`]: crate::gpu::Recorder::start_trace
//! [`Recorder::take_trace`]: crate::gpu::Recorder::take_trace

use std::time::{Duration, Instant};

use crate::net::Address;

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On the processor that prepares and collects work.
    Host,
    /// On the device.
    Device,
    /// Between roles.
    Network,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where.
    pub place: Place,
    /// For which of the tiles in flight: its lane, 0 where there is one only.
    pub lane: usize,
    /// What: a kernel with its switches, `exchange`, `corrections`, ..
    pub name: String,
    /// Step of the schedule, where it has one.
    pub at: Option<Address>,
    /// Bytes moved, where it moves any.
    pub bytes: u64,
    /// From the trace's origin to its start.
    pub start: Duration,
    /// How long it took.
    pub length: Duration,
}

/// Events of a running trace.
pub(crate) struct Trace {
    origin: Instant,
    pub(crate) lane: usize,
    pub(crate) events: Vec<Event>,
}

impl Trace {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, lane: 0, events: vec![] }
    }

    /// An empty trace of another lane, with the same origin.
    pub(crate) fn beside(&self, lane: usize) -> Self {
        Self { origin: self.origin, lane, events: vec![] }
    }

    /// Time since the origin.
    pub(crate) fn at(&self, then: Instant) -> Duration {
        then.saturating_duration_since(self.origin)
    }

    /// Notes what began at `start` and has just ended.
    pub(crate) fn note(&mut self, place: Place, name: &str, at: Option<Address>, bytes: u64, start: Instant) {
        let (lane, start, length) = (self.lane, self.at(start), start.elapsed());
        self.events.push(Event { place, lane, name: name.into(), at, bytes, start, length });
    }
}
