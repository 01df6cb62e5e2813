//! What in-process and TCP channels have in common: two queues, counters, the first error, and messages for several threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Fault;
use super::queue::{Frame, Halt, Queue};
use super::wire::HEADER;
use super::{Address, Channel, Counters, Link, NetError, TcpOptions};

/// How long a channel that failed still tries to send what it has queued when it is dropped.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What carries frames from one end's outgoing queue to the other end's incoming one.
pub(super) trait Transport: Send + Sync {
    /// When the consumer of the outgoing queue may take a frame of that many bytes that is queued now.
    fn ready(&self, bytes: usize) -> Instant;

    /// Sends over `link` from now on.
    fn shape(&self, link: Link);

    /// Sends a frame past the outgoing queue where that is quicker and keeps the order; otherwise nothing happens. Gives up
    /// when no byte moves for `patience`.
    fn direct(&self, _outgoing: &Queue, _frame: &Frame, _patience: Duration) -> Option<Result<(), Halt>> {
        None
    }

    /// Waits until queued frames are on their way, as long as bytes move within `patience`.
    fn flush(&self, outgoing: &Queue, patience: Duration) -> Result<(), Halt>;

    /// Both queues have ended: flushes, then closes.
    fn finish(&self, outgoing: &Queue, patience: Duration);
}

/// One end of a channel.
pub(super) struct Endpoint<T: Transport> {
    peer: String,
    outgoing: Arc<Queue>,
    incoming: Arc<Queue>,
    stall: Duration,
    send_stall: Duration,
    max_frame: u64,
    state: Mutex<State>,
    /// Something has arrived or failed.
    changed: Condvar,
    transport: T,
}

/// What threads that use a channel share.
#[derive(Default)]
struct State {
    counters: Counters,
    failed: Option<NetError>,
    /// Last step sent, for errors of `flush`.
    last: Address,
    /// A thread waits at the queue; the others wait for it.
    reading: bool,
    /// What has arrived and nobody has asked for yet.
    arrived: VecDeque<Frame>,
}

impl State {
    /// Notes the first error and returns it.
    fn fail(&mut self, error: NetError) -> NetError {
        self.failed.get_or_insert(error).clone()
    }

    fn check(&self) -> Result<(), NetError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// The message of a step, if it has arrived; an error holds the address of one that must not have.
    fn take(&mut self, at: Address) -> Result<Option<Frame>, Address> {
        let step = |a: Address| (a.eval, a.node, a.tile);
        let beside = |a: Address| (a.eval, a.node) == (at.eval, at.node) && a.tile != 0 && at.tile != 0;
        if let Some(stray) = self.arrived.iter().find(|f| step(f.at) != step(at) && !beside(f.at)) {
            return Err(stray.at);
        }
        match self.arrived.iter().position(|f| step(f.at) == step(at)) {
            Some(i) if self.arrived[i].at == at => Ok(self.arrived.remove(i)),
            Some(i) => Err(self.arrived[i].at),
            None => Ok(None),
        }
    }
}

impl<T: Transport> Endpoint<T> {
    pub fn new(peer: &str, outgoing: Arc<Queue>, incoming: Arc<Queue>, opts: &TcpOptions, transport: T) -> Self {
        Self {
            peer: peer.to_owned(),
            outgoing,
            incoming,
            stall: opts.stall,
            send_stall: opts.send_stall.unwrap_or(opts.stall),
            max_frame: opts.max_frame,
            state: Mutex::default(),
            changed: Condvar::new(),
            transport,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A wait of `send` or `flush` is over.
    fn unblocked(&self, start: Instant, at: Address, waited: Result<(), Halt>) -> Result<(), NetError> {
        let mut state = self.lock();
        state.counters.blocked += start.elapsed();
        waited.map_err(|halt| {
            let error = match halt {
                Halt::Stalled => NetError::Blocked { peer: self.peer.clone(), at, waited: self.send_stall },
                Halt::Ended(fault) => fault.noticed(&self.peer, at),
            };
            self.changed.notify_all();
            state.fail(error)
        })
    }

    /// The next frame, when it is due.
    fn next(&self) -> Result<Frame, Halt> {
        let frame = self.incoming.pop(Some(self.stall))?;
        super::shaped::sleep_until(frame.ready);
        self.incoming.release(frame.wire());
        Ok(frame)
    }

    /// The message of a step. One thread at a time waits at the queue and hands what is not its own to the others.
    fn wait(&self, at: Address) -> Result<Frame, NetError> {
        let peer = || self.peer.clone();
        let mut state = self.lock();
        loop {
            state.check()?;
            match state.take(at) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(got) => {
                    self.changed.notify_all();
                    return Err(state.fail(NetError::Address { peer: peer(), expected: at, got }));
                }
            }
            if state.reading {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.reading = true;
            drop(state);
            let next = self.next();
            state = self.lock();
            state.reading = false;
            self.changed.notify_all();
            match next {
                Ok(frame) => state.arrived.push_back(frame),
                Err(Halt::Stalled) => drop(state.fail(NetError::Stall { peer: peer(), at, waited: self.stall })),
                Err(Halt::Ended(fault)) => drop(state.fail(fault.noticed(&self.peer, at))),
            }
        }
    }
}

impl<T: Transport> Channel for Endpoint<T> {
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        let bytes = payload.len() as u64;
        {
            let mut state = self.lock();
            state.check()?;
            if bytes > self.max_frame {
                self.changed.notify_all();
                return Err(state.fail(Fault::TooLong { bytes, limit: self.max_frame }.noticed(&self.peer, at)));
            }
        }
        let (wire, start) = (HEADER + payload.len(), Instant::now());
        let frame = Frame { at, payload, ready: start };
        let direct = self.transport.direct(&self.outgoing, &frame, self.send_stall);
        let queued = direct.is_none();
        let waited = direct.unwrap_or_else(|| self.outgoing.reserve(wire, Some(self.send_stall)));
        self.unblocked(start, at, waited)?;
        // Under the lock, so that frames are queued in the order in which they are ready.
        let mut state = self.lock();
        if queued {
            self.outgoing.push(Frame { ready: self.transport.ready(wire), ..frame });
        }
        state.last = at;
        state.counters.sent_payload += bytes;
        state.counters.sent_wire += wire as u64;
        state.counters.sent_messages += 1;
        Ok(())
    }

    fn recv(&self, at: Address) -> Result<Vec<u8>, NetError> {
        let start = Instant::now();
        let got = self.wait(at);
        let counters = &mut self.lock().counters;
        counters.waiting += start.elapsed();
        let frame = got?;
        counters.received_payload += frame.payload.len() as u64;
        counters.received_wire += frame.wire() as u64;
        counters.received_messages += 1;
        Ok(frame.payload)
    }

    fn flush(&self) -> Result<(), NetError> {
        let last = {
            let state = self.lock();
            state.check()?;
            state.last
        };
        let start = Instant::now();
        let waited = self.transport.flush(&self.outgoing, self.send_stall);
        self.unblocked(start, last, waited)
    }

    fn counters(&self) -> Counters {
        self.lock().counters
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn shape(&self, link: Link) {
        self.transport.shape(link);
    }
}

impl<T: Transport> Drop for Endpoint<T> {
    fn drop(&mut self) {
        self.outgoing.end(Fault::Closed);
        self.incoming.abandon(Fault::Closed);
        let hurry = self.lock().failed.is_some() || thread::panicking();
        self.transport.finish(&self.outgoing, if hurry { LINGER.min(self.stall) } else { self.send_stall });
    }
}
