//! Queue of frames bounded in bytes, with an end that says why.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Address;
use super::error::Fault;
use super::wire::HEADER;

/// A message on its way.
pub(super) struct Frame {
    pub at: Address,
    pub payload: Vec<u8>,
    /// Not to be consumed before this moment.
    pub ready: Instant,
}

impl Frame {
    /// Bytes on the wire, which is also what the frame occupies in a queue.
    pub fn wire(&self) -> usize {
        HEADER + self.payload.len()
    }
}

/// Why a wait ended without what was waited for.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing moved for the stall time.
    Stalled,
    /// Nothing will come or be taken any more.
    Ended(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Halt::Ended(fault)
    }
}

struct State {
    frames: VecDeque<Frame>,
    /// Bytes reserved and not yet released.
    used: usize,
    /// When bytes last moved.
    progress: Instant,
    end: Option<Fault>,
    /// Accepted frames were thrown away.
    lost: bool,
}

/// Room is taken by `reserve` and given back by `release`: what the consumer still works on counts as queued.
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        let state = State { frames: VecDeque::new(), used: 0, progress: Instant::now(), end: None, lost: false };
        Self { capacity, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Takes room for a frame. A frame longer than the whole queue gets through when the queue is empty.
    pub fn reserve(&self, bytes: usize, stall: Option<Duration>) -> Result<(), Halt> {
        let room = |s: &State| s.used == 0 || s.used.saturating_add(bytes) <= self.capacity;
        let mut state = self.wait(stall, |s| s.end.is_some() || room(s))?;
        if let Some(fault) = &state.end {
            return Err(Halt::Ended(fault.clone()));
        }
        state.used += bytes;
        Ok(())
    }

    /// Adds a frame whose room was reserved.
    pub fn push(&self, frame: Frame) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.frames.push_back(frame);
        }
        state.progress = state.progress.max(Instant::now());
        self.changed.notify_all();
    }

    /// Next frame, also after the end. Its room stays taken until `release`.
    pub fn pop(&self, stall: Option<Duration>) -> Result<Frame, Halt> {
        let mut state = self.wait(stall, |s| s.end.is_some() || !s.frames.is_empty())?;
        match (state.frames.pop_front(), &state.end) {
            (Some(frame), _) => {
                state.progress = state.progress.max(frame.ready);
                Ok(frame)
            }
            (None, fault) => Err(Halt::Ended(fault.clone().unwrap_or(Fault::Closed))),
        }
    }

    /// Gives the room of a frame back.
    pub fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(bytes);
        state.progress = state.progress.max(Instant::now());
        self.changed.notify_all();
    }

    /// Whether a frame sent past the queue would come after all that were put into it.
    pub fn vacant(&self) -> bool {
        let state = self.lock();
        state.used == 0 && state.end.is_none()
    }

    /// Notes that bytes moved, so that a long frame on a slow link is not taken for a stall.
    pub fn touch(&self) {
        let mut state = self.lock();
        state.progress = state.progress.max(Instant::now());
    }

    /// No frame is accepted any more; those in the queue are still delivered. The first reason given counts.
    pub fn end(&self, fault: Fault) {
        self.lock().end.get_or_insert(fault);
        self.changed.notify_all();
    }

    /// As `end`, and throws the queued frames away.
    pub fn abandon(&self, fault: Fault) {
        let mut state = self.lock();
        state.end.get_or_insert(fault);
        state.frames.clear();
        state.lost = true;
        self.changed.notify_all();
    }

    /// Waits until every accepted frame was consumed.
    pub fn idle(&self, stall: Option<Duration>) -> Result<(), Halt> {
        let state = self.wait(stall, |s| s.used == 0 || s.lost)?;
        match &state.end {
            Some(fault) if state.lost => Err(Halt::Ended(fault.clone())),
            _ => Ok(()),
        }
    }

    /// Bytes taken now.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a condition, for as long as bytes keep moving.
    fn wait(&self, stall: Option<Duration>, done: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>, Halt> {
        let start = Instant::now();
        let mut state = self.lock();
        while !done(&state) {
            let deadline = stall.and_then(|stall| state.progress.max(start).checked_add(stall));
            state = match deadline.map(|d| d.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Err(Halt::Stalled),
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        Ok(state)
    }
}
