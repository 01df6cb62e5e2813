//! What in-process and TCP channels have in common: two queues, counters and the first error.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::Fault;
use super::queue::{Frame, Halt, Queue};
use super::wire::HEADER;
use super::{Address, Channel, Counters, Link, NetError, TcpOptions};

/// How long a channel that failed still tries to send what it has queued when it is dropped.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What carries frames from one end's outgoing queue to the other end's incoming one.
pub(super) trait Transport: Send {
    /// When the consumer of the outgoing queue may take a frame of that many bytes that is queued now.
    fn ready(&mut self, bytes: usize) -> Instant;

    /// Sends over `link` from now on.
    fn shape(&mut self, link: Link);

    /// Waits until queued frames are on their way, as long as bytes move within `patience`.
    fn flush(&mut self, outgoing: &Queue, patience: Duration) -> Result<(), Halt>;

    /// Both queues have ended: flushes, then closes.
    fn finish(&mut self, outgoing: &Queue, patience: Duration);
}

/// One end of a channel.
pub(super) struct Endpoint<T: Transport> {
    peer: String,
    outgoing: Arc<Queue>,
    incoming: Arc<Queue>,
    stall: Duration,
    send_stall: Duration,
    max_frame: u64,
    counters: Counters,
    failed: Option<NetError>,
    /// Last step sent, for errors of `flush`.
    last: Address,
    transport: T,
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
            counters: Counters::default(),
            failed: None,
            last: Address::default(),
            transport,
        }
    }

    /// Notes the first error and returns it.
    fn fail(&mut self, error: NetError) -> NetError {
        self.failed.get_or_insert(error).clone()
    }

    fn check(&self) -> Result<(), NetError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// A wait of `send` or `flush` is over.
    fn unblocked(&mut self, start: Instant, at: Address, waited: Result<(), Halt>) -> Result<(), NetError> {
        self.counters.blocked += start.elapsed();
        waited.map_err(|halt| {
            let error = match halt {
                Halt::Stalled => NetError::Blocked { peer: self.peer.clone(), at, waited: self.send_stall },
                Halt::Ended(fault) => fault.noticed(&self.peer, at),
            };
            self.fail(error)
        })
    }
}

impl<T: Transport> Channel for Endpoint<T> {
    fn send(&mut self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        self.check()?;
        let bytes = payload.len() as u64;
        if bytes > self.max_frame {
            return Err(self.fail(Fault::TooLong { bytes, limit: self.max_frame }.noticed(&self.peer, at)));
        }
        let wire = HEADER + payload.len();
        let start = Instant::now();
        let waited = self.outgoing.reserve(wire, Some(self.send_stall));
        self.unblocked(start, at, waited)?;
        self.outgoing.push(Frame { at, payload, ready: self.transport.ready(wire) });
        self.last = at;
        self.counters.sent_payload += bytes;
        self.counters.sent_wire += wire as u64;
        self.counters.sent_messages += 1;
        Ok(())
    }

    fn recv(&mut self, at: Address) -> Result<Vec<u8>, NetError> {
        self.check()?;
        let start = Instant::now();
        let popped = self.incoming.pop(Some(self.stall));
        if let Ok(frame) = &popped {
            super::shaped::sleep_until(frame.ready);
            self.incoming.release(frame.wire());
        }
        self.counters.waiting += start.elapsed();
        let error = match popped {
            Ok(frame) if frame.at == at => {
                self.counters.received_payload += frame.payload.len() as u64;
                self.counters.received_wire += frame.wire() as u64;
                self.counters.received_messages += 1;
                return Ok(frame.payload);
            }
            Ok(frame) => NetError::Address { peer: self.peer.clone(), expected: at, got: frame.at },
            Err(Halt::Stalled) => NetError::Stall { peer: self.peer.clone(), at, waited: self.stall },
            Err(Halt::Ended(fault)) => fault.noticed(&self.peer, at),
        };
        Err(self.fail(error))
    }

    fn flush(&mut self) -> Result<(), NetError> {
        self.check()?;
        let start = Instant::now();
        let waited = self.transport.flush(&self.outgoing, self.send_stall);
        self.unblocked(start, self.last, waited)
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn shape(&mut self, link: Link) {
        self.transport.shape(link);
    }
}

impl<T: Transport> Drop for Endpoint<T> {
    fn drop(&mut self) {
        self.outgoing.end(Fault::Closed);
        self.incoming.abandon(Fault::Closed);
        let hurry = self.failed.is_some() || thread::panicking();
        self.transport.finish(&self.outgoing, if hurry { LINGER.min(self.stall) } else { self.send_stall });
    }
}
