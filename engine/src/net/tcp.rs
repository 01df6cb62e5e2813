//! Channels over TCP.
//!
//! A writer thread empties the outgoing queue into the socket and a reader thread fills the incoming queue from it, so
//! two peers that send large messages at once never wait for each other. A small message that finds the queue empty is
//! written by its sender, which takes less time than to wake the writer. When the incoming queue is full the reader
//! stops reading, TCP closes its window and the peer's queue fills up: back-pressure reaches the peer's `send`.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, LINGER, Transport};
use super::error::Fault;
use super::queue::{Frame, Halt, Queue};
use super::shaped::{Shaper, Slot, sleep_until};
use super::{Channel, Link, NetError, wire};

/// Limits and times of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Longest time without a byte from (or taken by) the peer while we wait for it; default 60 s.
    pub stall: Duration,
    /// Longest time without a byte taken by the peer, where that differs from `stall`.
    pub send_stall: Option<Duration>,
    /// Longest payload of a message; default 1 GiB.
    pub max_frame: u64,
    /// Bytes in each of the outgoing and the incoming queue; default 64 MiB.
    pub queue_bytes: usize,
    /// How long [`connect`] tries to reach a peer that does not listen yet; default 30 s.
    pub connect_timeout: Duration,
    /// How long [`Listener::accept`] waits for a peer; default for ever.
    pub accept_timeout: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            send_stall: None,
            max_frame: 1 << 30,
            queue_bytes: 64 << 20,
            connect_timeout: Duration::from_secs(30),
            accept_timeout: None,
        }
    }
}

/// Connects to the role `peer` that listens at `addr` (host:port), trying again while it does not listen yet.
pub fn connect(addr: &str, peer: &str, opts: &TcpOptions) -> Result<Box<dyn Channel>, NetError> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let left = opts.connect_timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        let cause = match reach(addr, left) {
            Ok(stream) => return channel(stream, peer, opts),
            Err(cause) => cause,
        };
        let again = matches!(cause.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset);
        if !again || start.elapsed() + pause > opts.connect_timeout {
            let (peer, addr, cause) = (peer.to_owned(), addr.to_owned(), cause.to_string());
            return Err(NetError::Connect { peer, addr, waited: opts.connect_timeout, cause });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// One attempt at each address of a host.
fn reach(addr: &str, timeout: Duration) -> std::io::Result<TcpStream> {
    let mut last = ErrorKind::NotFound.into();
    for addr in addr.to_socket_addrs()? {
        match TcpStream::connect_timeout(&addr, timeout) {
            // A port nobody listens at may be the one the system picks for our end: then we have met ourselves.
            Ok(stream) if stream.local_addr()? == stream.peer_addr()? => last = ErrorKind::ConnectionRefused.into(),
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// A port at which other roles connect.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Opens a port (host:port; port 0 takes any free one).
    pub fn bind(addr: &str) -> Result<Self, NetError> {
        TcpListener::bind(addr)
            .and_then(|inner| Ok(Self { addr: inner.local_addr()?, inner }))
            .map_err(|e| NetError::Bind { addr: addr.to_owned(), cause: e.to_string() })
    }

    /// The address it really listens at.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for the role `peer` to connect. Who really connected is for the handshake to find out.
    pub fn accept(&self, peer: &str, opts: &TcpOptions) -> Result<Box<dyn Channel>, NetError> {
        let fail = |cause: String| NetError::Accept { peer: peer.to_owned(), addr: self.addr.to_string(), cause };
        let stream = self.wait(opts.accept_timeout).map_err(|e| fail(e.to_string()))?;
        channel(stream, peer, opts)
    }

    fn wait(&self, timeout: Option<Duration>) -> std::io::Result<TcpStream> {
        let start = Instant::now();
        self.inner.set_nonblocking(timeout.is_some())?;
        loop {
            match self.inner.accept() {
                Ok((stream, _)) => return stream.set_nonblocking(false).map(|()| stream),
                Err(e) if e.kind() == ErrorKind::WouldBlock => match timeout {
                    Some(limit) if start.elapsed() >= limit => return Err(ErrorKind::TimedOut.into()),
                    _ => thread::sleep(Duration::from_millis(5)),
                },
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// A channel on a connected socket.
fn channel(stream: TcpStream, peer: &str, opts: &TcpOptions) -> Result<Box<dyn Channel>, NetError> {
    let [outgoing, incoming] = [0; 2].map(|_| Arc::new(Queue::new(opts.queue_bytes)));
    let shaper = Arc::new(Mutex::new(Shaper::new(Link::LOOPBACK)));
    let turn: Arc<Mutex<()>> = Arc::default();
    let start = || {
        stream.set_nodelay(true)?;
        // Whoever writes looks from time to time whether it is still worth it.
        stream.set_write_timeout(Some(LOOK))?;
        let (alive, reading) = mpsc::channel();
        let reader = Reader {
            stream: stream.try_clone()?,
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            max_frame: opts.max_frame,
            _alive: alive,
        };
        let writer = Writer {
            stream: stream.try_clone()?,
            outgoing: outgoing.clone(),
            shaper: shaper.clone(),
            turn: turn.clone(),
            reading,
        };
        thread::Builder::new().name(format!("write to {peer}")).spawn(move || writer.run())?;
        thread::Builder::new().name(format!("read from {peer}")).spawn(move || reader.run())
    };
    if let Err(e) = start() {
        outgoing.abandon(Fault::Closed);
        return Err(Fault::Io(e.to_string()).noticed(peer, super::Address::setup(u16::MAX)));
    }
    Ok(Box::new(Endpoint::new(peer, outgoing, incoming, opts, Tcp { stream, shaper, turn })))
}

/// Longest frame that its sender writes: less than the least room that sockets have.
const SMALL: usize = 16 << 10;
/// How long a write may wait for room before it returns.
const LOOK: Duration = Duration::from_millis(100);

struct Tcp {
    stream: TcpStream,
    shaper: Arc<Mutex<Shaper>>,
    /// Whose frame is being written.
    turn: Arc<Mutex<()>>,
}

impl Transport for Tcp {
    fn ready(&self, _: usize) -> Instant {
        Instant::now()
    }

    fn shape(&self, link: Link) {
        *lock(&self.shaper) = Shaper::new(link);
    }

    fn direct(&self, outgoing: &Queue, frame: &Frame, patience: Duration) -> Option<Result<(), Halt>> {
        if frame.wire() > SMALL || !lock(&self.shaper).unlimited() {
            return None;
        }
        let _turn = self.turn.try_lock().ok()?;
        if !outgoing.vacant() {
            return None;
        }
        let mut moved = Instant::now();
        Some(write(&self.stream, frame, &mut 0, frame.wire(), |bytes| {
            if bytes > 0 {
                moved = Instant::now();
            }
            if moved.elapsed() < patience { Ok(()) } else { Err(Halt::Stalled) }
        }))
    }

    fn flush(&self, outgoing: &Queue, patience: Duration) -> Result<(), Halt> {
        outgoing.idle(Some(patience))
    }

    /// The threads end by themselves: the writer when the queue is empty, the reader at the end of the peer's stream,
    /// both after `LINGER` at the latest.
    fn finish(&self, outgoing: &Queue, patience: Duration) {
        if self.flush(outgoing, patience).is_err() {
            outgoing.abandon(Fault::Closed);
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

struct Reader {
    stream: TcpStream,
    incoming: Arc<Queue>,
    outgoing: Arc<Queue>,
    max_frame: u64,
    /// Dropped with the reader, which tells the writer.
    _alive: mpsc::Sender<()>,
}

impl Reader {
    fn run(mut self) {
        let fault = loop {
            match self.frame() {
                Ok(true) => {}
                // Closed on our side. To close a socket with unread data would reset the connection, and the peer
                // could lose what we sent last: read on until it closes too, or until the writer shuts the socket.
                Ok(false) => break self.drain(),
                Err(fault) => break fault,
            }
        };
        self.outgoing.end(fault.clone());
        self.incoming.end(fault);
    }

    /// Reads one frame; false if nobody will receive any more.
    fn frame(&mut self) -> Result<bool, Fault> {
        let (at, bytes) = wire::read_header(&mut self.stream, self.max_frame)?;
        self.incoming.touch();
        if self.incoming.reserve(wire::HEADER + bytes, None).is_err() {
            return Ok(false);
        }
        let payload = wire::read_payload(&mut self.stream, bytes, || self.incoming.touch())?;
        self.incoming.push(Frame { at, payload, ready: Instant::now() });
        Ok(true)
    }

    fn drain(&mut self) -> Fault {
        let mut scratch = vec![0; 1 << 16];
        while !matches!(self.stream.read(&mut scratch), Ok(0) | Err(_)) {}
        Fault::Closed
    }
}

struct Writer {
    stream: TcpStream,
    outgoing: Arc<Queue>,
    shaper: Arc<Mutex<Shaper>>,
    turn: Arc<Mutex<()>>,
    /// Disconnected when the reader has ended.
    reading: mpsc::Receiver<()>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(frame) = self.outgoing.pop(None) {
            if let Err(fault) = self.frame(&frame) {
                self.outgoing.abandon(fault);
                break;
            }
            self.outgoing.release(frame.wire());
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.reading.recv_timeout(LINGER);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Writes one frame, at the speed of the link.
    fn frame(&mut self, frame: &Frame) -> Result<(), Fault> {
        let _turn = lock(&self.turn);
        let (slot, piece): (Slot, usize) = {
            let mut shaper = lock(&self.shaper);
            (shaper.slot(frame.ready, frame.wire()), shaper.piece())
        };
        let mut done = 0;
        while done < frame.wire() {
            let end = frame.wire().min(done + piece);
            match slot.arrival_of(end) {
                on_the_way if end < frame.wire() => thread::sleep(on_the_way.saturating_duration_since(Instant::now())),
                arrival => sleep_until(arrival),
            }
            write(&self.stream, frame, &mut done, end, |bytes| {
                if bytes > 0 {
                    self.outgoing.touch();
                }
                Ok::<_, Fault>(())
            })?;
        }
        lock(&self.shaper).sent(Instant::now());
        Ok(())
    }
}

/// Writes a frame from byte `done` up to `end`. `moved` hears how many bytes went, also when none did for [`LOOK`], and may
/// give up.
fn write<E: From<Fault>>(
    mut stream: &TcpStream,
    frame: &Frame,
    done: &mut usize,
    end: usize,
    mut moved: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    let header = wire::encode(frame.at, frame.payload.len());
    while *done < end {
        let head = IoSlice::new(&header[(*done).min(wire::HEADER)..end.min(wire::HEADER)]);
        let from = |n: usize| n.saturating_sub(wire::HEADER);
        let body = IoSlice::new(&frame.payload[from(*done)..from(end)]);
        let bytes = match stream.write_vectored(&[head, body]) {
            Ok(0) => return Err(Fault::Closed.into()),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(Fault::from(e).into()),
        };
        *done += bytes;
        moved(bytes)?;
    }
    Ok(())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
