//! A channel that records what it receives and can delay or damage it, for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::error::Fault;
use super::{Address, Channel, Counters, Link, NetError};

/// A message as it came from the peer, before any damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Step it belongs to.
    pub at: Address,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What an [`Intercept`] has received; keep a clone to read it.
pub type Log = Arc<Mutex<Vec<Received>>>;

/// How long received messages are held back; each thread waits for its own only.
#[derive(Clone, Copy, Debug)]
pub enum Delay {
    /// Each for the same time.
    Fixed(Duration),
    /// Each for a time below `below`, different for each seed.
    Random {
        /// Seed; print it where a test fails.
        seed: u64,
        /// Longest delay.
        below: Duration,
    },
}

/// Wraps one end of a channel and acts on the messages that this end receives, numbered from 0.
///
/// ```
/// # use masque_engine::net::{Address, Channel, Intercept, Log, pair};
/// let (client, server) = pair("client", "server");
/// let log = Log::default();
/// let server = Intercept::new(server).record(&log).corrupt(1, 0);
/// for payload in [[1], [2]] {
///     client.send(Address::default(), payload.to_vec()).unwrap();
/// }
/// assert_eq!(server.recv(Address::default()).unwrap(), [1]);
/// assert_ne!(server.recv(Address::default()).unwrap(), [2]);
/// assert_eq!(log.lock().unwrap()[1].payload, [2]);
/// ```
pub struct Intercept<C: Channel = Box<dyn Channel>> {
    /// None once closed.
    inner: Mutex<Option<Arc<C>>>,
    peer: String,
    /// Counters when closed.
    counters: Mutex<Counters>,
    received: AtomicU64,
    log: Option<Log>,
    delay: Option<Delay>,
    corrupt: Vec<(u64, usize)>,
    truncate: Vec<(u64, usize)>,
    lose: Vec<u64>,
    close_after: u64,
}

impl<C: Channel> Intercept<C> {
    /// Passes everything on, so far.
    pub fn new(inner: C) -> Self {
        Self {
            peer: inner.peer().to_owned(),
            inner: Mutex::new(Some(Arc::new(inner))),
            counters: Mutex::default(),
            received: AtomicU64::new(0),
            log: None,
            delay: None,
            corrupt: Vec::new(),
            truncate: Vec::new(),
            lose: Vec::new(),
            close_after: u64::MAX,
        }
    }

    /// Adds every received message to a log.
    pub fn record(mut self, log: &Log) -> Self {
        self.log = Some(log.clone());
        self
    }

    /// Holds received messages back.
    pub fn delay(mut self, delay: Delay) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Flips every bit of a byte of message `n` (the last one if it is shorter).
    pub fn corrupt(mut self, n: u64, byte: usize) -> Self {
        self.corrupt.push((n, byte));
        self
    }

    /// Cuts message `n` to at most `keep` bytes.
    pub fn truncate(mut self, n: u64, keep: usize) -> Self {
        self.truncate.push((n, keep));
        self
    }

    /// Loses message `n`: the next one comes in its place.
    pub fn lose(mut self, n: u64) -> Self {
        self.lose.push(n);
        self
    }

    /// Closes the channel, for both sides, instead of receiving message `n`.
    pub fn close_after(mut self, n: u64) -> Self {
        self.close_after = n;
        self
    }

    fn open(&self, at: Address) -> Result<Arc<C>, NetError> {
        lock(&self.inner).clone().ok_or_else(|| Fault::Closed.noticed(&self.peer, at))
    }

    /// Closes as soon as no other thread waits for a message.
    fn close(&self) {
        if let Some(inner) = lock(&self.inner).take() {
            *lock(&self.counters) = inner.counters();
        }
    }

    fn pause(&self, n: u64) {
        match self.delay {
            Some(Delay::Fixed(time)) => thread::sleep(time),
            Some(Delay::Random { seed, below }) => thread::sleep(below.mul_f64(fraction(seed, n))),
            None => {}
        }
    }
}

impl<C: Channel> Channel for Intercept<C> {
    fn send(&self, at: Address, payload: Vec<u8>) -> Result<(), NetError> {
        self.open(at)?.send(at, payload)
    }

    fn recv(&self, at: Address) -> Result<Vec<u8>, NetError> {
        loop {
            if self.received.load(Ordering::SeqCst) >= self.close_after {
                self.close();
            }
            let mut payload = self.open(at)?.recv(at)?;
            let n = self.received.fetch_add(1, Ordering::SeqCst);
            if let Some(log) = &self.log {
                lock(log).push(Received { at, payload: payload.clone() });
            }
            self.pause(n);
            if self.lose.contains(&n) {
                continue;
            }
            for &(_, byte) in self.corrupt.iter().filter(|c| c.0 == n) {
                let last = payload.len().saturating_sub(1);
                payload.iter_mut().skip(byte.min(last)).take(1).for_each(|b| *b = !*b);
            }
            self.truncate.iter().filter(|t| t.0 == n).for_each(|t| payload.truncate(t.1));
            return Ok(payload);
        }
    }

    fn flush(&self) -> Result<(), NetError> {
        self.open(Address::default())?.flush()
    }

    fn counters(&self) -> Counters {
        let inner = lock(&self.inner).clone();
        inner.map_or_else(|| *lock(&self.counters), |inner| inner.counters())
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn shape(&self, link: Link) {
        let inner = lock(&self.inner).clone();
        inner.into_iter().for_each(|inner| inner.shape(link));
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number in [0, 1) for each seed and n (splitmix64; nothing secret depends on it).
fn fraction(seed: u64, n: u64) -> f64 {
    let mut z = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::super::pair;
    use super::*;
    use std::time::Instant;

    const AT: Address = Address { eval: 3, node: 17, tile: 0, purpose: 2 };

    /// A client that has sent `[0; 4]`, `[1; 4]`, ... and the server's end.
    fn sent(messages: u8) -> (Box<dyn Channel>, Box<dyn Channel>) {
        let (client, server) = pair("client", "server");
        (0..messages).for_each(|n| client.send(AT, vec![n; 4]).unwrap());
        (client, server)
    }

    #[test]
    fn records_before_damage() {
        let (_client, server) = sent(4);
        let log = Log::default();
        let server = Intercept::new(server).record(&log).corrupt(0, 2).corrupt(1, 99).truncate(2, 1);
        let got: Vec<_> = (0..4).map(|_| server.recv(AT).unwrap()).collect();
        assert_eq!(got, [vec![0, 0, 255, 0], vec![1, 1, 1, 254], vec![2], vec![3; 4]]);
        let log = log.lock().unwrap();
        let clean: Vec<_> = (0..4).map(|n| Received { at: AT, payload: vec![n; 4] }).collect();
        assert_eq!(*log, clean);
    }

    #[test]
    fn loses_and_closes() {
        let (client, server) = sent(4);
        let server = Intercept::new(server).lose(1).close_after(3);
        assert_eq!(server.recv(AT).unwrap(), [0; 4]);
        assert_eq!(server.recv(AT).unwrap(), [2; 4]);
        let closed = NetError::Closed { peer: "client".into(), at: AT };
        assert_eq!(server.recv(AT), Err(closed.clone()));
        assert_eq!(server.send(AT, vec![]), Err(closed));
        assert_eq!(client.recv(AT), Err(NetError::Closed { peer: "server".into(), at: AT }));
        assert_eq!(server.counters().received_messages, 3);
    }

    #[test]
    fn delays() {
        let (_client, server) = sent(2);
        let server = Intercept::new(server).delay(Delay::Fixed(Duration::from_millis(5)));
        let start = Instant::now();
        (0..2).for_each(|_| drop(server.recv(AT).unwrap()));
        assert!(start.elapsed() >= Duration::from_millis(10));
        let draws: Vec<f64> = (0..1000).map(|n| fraction(7, n)).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!(draws.iter().all(|d| (0.0..1.0).contains(d)) && (mean - 0.5).abs() < 0.05, "{mean}");
        assert_ne!(fraction(7, 0), fraction(8, 0));
    }
}
