//! What every channel promises, in process and over TCP, and what only TCP can suffer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::queue::{Frame, Halt, Queue};
use super::wire::{HEADER, encode};
use super::*;

const AT: Address = Address { eval: 3, node: 17, tile: 0, purpose: 2 };
const OTHER: Address = Address { eval: 3, node: 18, tile: 0, purpose: 2 };

type Ends = (Box<dyn Channel>, Box<dyn Channel>);

fn tcp(opts: &TcpOptions) -> Ends {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let near = connect(&listener.local_addr().to_string(), "server", opts).unwrap();
    (near, listener.accept("client", opts).unwrap())
}

/// Runs a test on both kinds of channel; the client's end comes first.
fn both(opts: &TcpOptions, test: impl Fn(&str, Ends)) {
    test("pair", pair_with("client", "server", opts));
    test("tcp", tcp(opts));
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The client's end of a connection whose other end is a bare socket.
fn bare(opts: &TcpOptions) -> (Box<dyn Channel>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = connect(&listener.local_addr().unwrap().to_string(), "server", opts).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn addresses_read_well() {
    assert_eq!(AT.to_string(), "eval 3 / node 17 / tile 0 / purpose 2");
    assert_eq!(Address::setup(4).to_string(), "setup step 4");
    assert_eq!(Address::setup(u16::MAX).to_string(), "handshake");
}

#[test]
fn ping_pong_and_counters() {
    both(&TcpOptions::default(), |kind, (c, s)| {
        assert_eq!((c.peer(), s.peer()), ("server", "client"), "{kind}");
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..50u32 {
                    let at = Address { eval: n, ..AT };
                    let mut payload = s.recv(at).unwrap();
                    payload.push(1);
                    s.send(at, payload).unwrap();
                }
                s.flush().unwrap();
            });
            let mut before = c.counters();
            for n in 0..50u32 {
                let at = Address { eval: n, ..AT };
                let payload = vec![n as u8; n as usize * 37];
                c.send(at, payload.clone()).unwrap();
                let answer = c.recv(at).unwrap();
                assert_eq!(answer.split_last(), Some((&1, &payload[..])), "{kind}");
                let step = c.counters().since(&before);
                assert_eq!((step.sent_payload, step.received_payload), (n as u64 * 37, n as u64 * 37 + 1));
                before = c.counters();
            }
        });
        let (c, s) = (c.counters(), s.counters());
        let payload: u64 = (0..50).map(|n| n * 37).sum();
        assert_eq!((c.sent_messages, c.sent_payload, c.sent_wire), (50, payload, payload + 50 * 24), "{kind}");
        assert_eq!((c.received_messages, c.received_payload, c.received_wire), (50, payload + 50, payload + 50 * 25));
        assert_eq!((s.sent_messages, s.sent_payload, s.sent_wire), (50, c.received_payload, c.received_wire));
        assert_eq!((s.received_messages, s.received_payload, s.received_wire), (50, c.sent_payload, c.sent_wire));
        assert!(c.waiting > Duration::ZERO);
    });
}

#[test]
fn large_messages_both_ways_at_once() {
    // One 50 MB message each way through queues of 1 MiB, then 50 MB in pieces through queues that hold them.
    for (queue_bytes, size, count) in [(1 << 20, 50_000_000, 1), (64 << 20, 1_000_000, 50)] {
        both(&TcpOptions { queue_bytes, ..TcpOptions::default() }, |kind, ends| {
            thread::scope(|scope| {
                for (ch, mine) in [(ends.0, 1u8), (ends.1, 2u8)] {
                    scope.spawn(move || {
                        for n in 0..count {
                            ch.send(Address { tile: n, ..AT }, vec![mine; size]).unwrap();
                        }
                        for n in 0..count {
                            let got = ch.recv(Address { tile: n, ..AT }).unwrap();
                            assert!(got.len() == size && got.iter().all(|&b| b == 3 - mine), "{kind}");
                        }
                    });
                }
            });
        });
    }
}

#[test]
fn queue_is_bounded() {
    // 128 MB; the kernel's own buffers hold some MB more.
    let opts = TcpOptions { queue_bytes: 256 << 10, ..TcpOptions::default() };
    both(&opts, |kind, (c, s)| {
        let (size, count) = (64_000, 2000);
        let accepted = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..count {
                    c.send(AT, vec![0; size]).unwrap();
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
            thread::sleep(millis(200));
            let bytes = accepted.load(Ordering::Relaxed) * size;
            let limit = if kind == "pair" { 256 << 10 } else { 40 << 20 };
            assert!(bytes > 0 && bytes <= limit, "{kind}: {bytes} bytes were accepted");
            (0..count).for_each(|_| drop(s.recv(AT).unwrap()));
        });
        assert!(c.counters().blocked > millis(100));
    });
}

#[test]
fn queue_counts_bytes() {
    let queue = Queue::new(100);
    let frame = |n: usize| Frame { at: AT, payload: vec![0; n - HEADER], ready: Instant::now() };
    let full = Some(millis(10));
    for n in [60, 40] {
        queue.reserve(n, full).unwrap();
        queue.push(frame(n));
    }
    assert!(matches!(queue.reserve(24, full), Err(Halt::Stalled)));
    assert_eq!(queue.pop(full).unwrap().wire(), 60);
    assert!(matches!(queue.reserve(24, full), Err(Halt::Stalled)), "what is worked on still counts");
    queue.release(60);
    queue.reserve(24, full).unwrap();
    assert_eq!(queue.used(), 64);
    assert!(matches!(queue.reserve(1000, full), Err(Halt::Stalled)), "too long needs an empty queue");
    queue.release(64);
    queue.reserve(1000, full).unwrap();
}

#[test]
fn wrong_address_is_sticky() {
    both(&TcpOptions::default(), |kind, (c, s)| {
        c.send(AT, vec![1]).unwrap();
        c.send(OTHER, vec![2]).unwrap();
        let error = s.recv(OTHER).unwrap_err();
        assert_eq!(error, NetError::Address { peer: "client".into(), expected: OTHER, got: AT }, "{kind}");
        assert!(error.to_string().starts_with(
            "expected eval 3 / node 18 / tile 0 / purpose 2 from client but got eval 3 / node 17 / tile 0 / purpose 2:"
        ));
        assert_eq!(s.recv(OTHER), Err(error.clone()));
        assert_eq!(s.send(AT, vec![]), Err(error.clone()));
        assert_eq!(s.flush(), Err(error));
    });
}

#[test]
fn threads_share_a_channel_by_tiles() {
    let at = |tile, purpose| Address { tile, purpose, ..AT };
    both(&TcpOptions::default(), |kind, (c, s)| {
        thread::scope(|scope| {
            for tile in [1, 2, 3] {
                let s = &s;
                scope.spawn(move || {
                    for purpose in 0..50 {
                        assert_eq!(s.recv(at(tile, purpose)).unwrap(), [tile as u8, purpose as u8], "{kind}");
                        s.send(at(tile, purpose), vec![]).unwrap();
                    }
                });
            }
            // The last tile comes first: whoever waits for another one keeps its messages.
            for purpose in 0..50 {
                for tile in [3, 2, 1] {
                    c.send(at(tile, purpose), vec![tile as u8, purpose as u8]).unwrap();
                }
                c.recv(at(1, purpose)).unwrap();
            }
            (0..50)
                .for_each(|purpose| [2, 3].map(|tile| c.recv(at(tile, purpose)).unwrap()).into_iter().for_each(drop));
        });
        assert_eq!((c.counters().received_messages, s.counters().received_messages), (150, 150), "{kind}");
        // What nobody has asked for is noticed when the node is over.
        c.send(at(4, 0), vec![]).unwrap();
        c.send(at(5, 0), vec![]).unwrap();
        s.recv(at(5, 0)).unwrap();
        let stray = NetError::Address { peer: "client".into(), expected: OTHER, got: at(4, 0) };
        assert_eq!(s.recv(OTHER), Err(stray), "{kind}");
    });
}

#[test]
fn every_thread_hears_the_first_error() {
    let at = |tile| Address { tile, ..AT };
    let opts = TcpOptions { stall: millis(80), ..TcpOptions::default() };
    type Fault = fn(Box<dyn Channel>) -> Option<Box<dyn Channel>>;
    // Silence, a closed peer, a message out of order.
    let faults: [Fault; 3] = [
        Some,
        |_| None,
        |c| {
            c.send(Address { purpose: 9, ..AT }, vec![]).unwrap();
            Some(c)
        },
    ];
    for fault in faults {
        both(&opts, |kind, (c, s)| {
            let errors = thread::scope(|scope| {
                let waits = [1, 2].map(|tile| {
                    let s = &s;
                    scope.spawn(move || s.recv(at(tile)).unwrap_err())
                });
                thread::sleep(millis(20));
                s.send(at(3), vec![]).expect("a thread that waits holds nobody up");
                let _kept = fault(c);
                waits.map(|w| w.join().unwrap())
            });
            assert_eq!(errors[0], errors[1], "{kind}");
            assert_eq!(s.send(at(3), vec![]), Err(errors[0].clone()), "{kind}");
        });
    }
}

#[test]
fn closing_delivers_what_was_sent() {
    let opts = TcpOptions { queue_bytes: 8 << 20, ..TcpOptions::default() };
    both(&opts, |kind, (c, s)| {
        // The other side has sent something that is never received: it must not cost it our last messages.
        s.send(AT, vec![0; 1 << 20]).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                (0..7).for_each(|n| c.send(AT, vec![n; 1 << 20]).unwrap());
            });
            thread::sleep(millis(20));
            (0..7).for_each(|n| assert_eq!(s.recv(AT).unwrap(), vec![n; 1 << 20], "{kind}"));
            assert_eq!(s.recv(AT), Err(NetError::Closed { peer: "client".into(), at: AT }), "{kind}");
        });
    });
}

#[test]
fn send_to_a_closed_peer() {
    both(&TcpOptions::default(), |kind, (c, s)| {
        drop(s);
        let start = Instant::now();
        let error = loop {
            if let Err(error) = c.send(AT, vec![0; 1000]) {
                break error;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{kind}");
        };
        assert_eq!(error, NetError::Closed { peer: "server".into(), at: AT }, "{kind}");
    });
}

#[test]
fn stalls_are_reported() {
    let opts = TcpOptions { stall: millis(80), queue_bytes: 1 << 16, ..TcpOptions::default() };
    both(&opts, |kind, (c, _s)| {
        let start = Instant::now();
        let error = c.recv(AT).unwrap_err();
        assert!(start.elapsed() >= millis(80));
        assert_eq!(error, NetError::Stall { peer: "server".into(), at: AT, waited: millis(80) }, "{kind}");
        assert!(
            error.to_string().contains("nothing arrived from server for 80ms while we waited for eval 3 / node 17")
        );
    });
    both(&opts, |kind, (c, _s)| {
        let error = loop {
            if let Err(error) = c.send(AT, vec![0; 1 << 16]) {
                break error;
            }
        };
        assert_eq!(error, NetError::Blocked { peer: "server".into(), at: AT, waited: millis(80) }, "{kind}");
    });
}

#[test]
fn slow_bytes_are_no_stall() {
    let (c, mut socket) = bare(&TcpOptions { stall: millis(400), ..TcpOptions::default() });
    thread::scope(|scope| {
        scope.spawn(|| {
            socket.write_all(&encode(AT, 6)).unwrap();
            for byte in [9; 6] {
                thread::sleep(millis(100));
                socket.write_all(&[byte]).unwrap();
            }
        });
        assert_eq!(c.recv(AT).unwrap(), [9; 6]);
        assert!(c.counters().waiting > millis(400));
    });
}

#[test]
fn bytes_on_the_wire() {
    let (c, mut socket) = bare(&TcpOptions::default());
    c.send(Address { eval: 0x01020304, node: 5, tile: 6, purpose: 7 }, vec![8, 9]).unwrap();
    let mut got = [0; HEADER + 2];
    socket.read_exact(&mut got).unwrap();
    assert_eq!(got, *b"MSQ1\x04\x03\x02\x01\x05\0\0\0\x06\0\x07\0\x02\0\0\0\0\0\0\0\x08\x09");
}

#[test]
fn broken_streams() {
    let opts = TcpOptions { max_frame: 1000, ..TcpOptions::default() };
    let peer = || "server".to_owned();
    let frame = |length: usize, sent: usize| [&encode(AT, length)[..], &vec![0; sent]].concat();
    let cases = [
        (vec![], NetError::Closed { peer: peer(), at: AT }),
        (frame(0, 0)[..10].to_vec(), NetError::Truncated { peer: peer(), at: AT, got: 10, expected: 24 }),
        (frame(900, 300), NetError::Truncated { peer: peer(), at: AT, got: 300, expected: 900 }),
        (b"HTTP/1.1 400 Bad Request".to_vec(), NetError::Magic { peer: peer(), at: AT, found: 0x50545448 }),
        (frame(1001, 0), NetError::TooLong { peer: peer(), at: AT, bytes: 1001, limit: 1000 }),
        (frame(usize::MAX, 0), NetError::TooLong { peer: peer(), at: AT, bytes: u64::MAX, limit: 1000 }),
    ];
    for (bytes, expected) in cases {
        let (c, mut socket) = bare(&opts);
        socket.write_all(&bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let error = c.recv(AT).unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().contains("server") && error.to_string().contains("eval 3 / node 17"), "{error}");
        assert_eq!(c.recv(OTHER), Err(expected), "sticky");
    }
}

#[test]
fn own_message_over_the_limit() {
    both(&TcpOptions { max_frame: 10, ..TcpOptions::default() }, |kind, (c, _s)| {
        c.send(AT, vec![0; 10]).unwrap();
        let error = NetError::TooLong { peer: "server".into(), at: AT, bytes: 11, limit: 10 };
        assert_eq!(c.send(AT, vec![0; 11]), Err(error), "{kind}");
    });
}

#[test]
fn dropping_an_end_closes_the_socket() {
    let (c, mut socket) = bare(&TcpOptions::default());
    c.send(AT, vec![5; 100]).unwrap();
    drop(c);
    let mut all = Vec::new();
    socket.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), HEADER + 100);
}

#[test]
fn dropping_does_not_wait_for_ever() {
    let (c, _socket) = bare(&TcpOptions { stall: millis(100), ..TcpOptions::default() });
    c.send(AT, vec![5; 30_000_000]).unwrap();
    let start = Instant::now();
    drop(c);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn connecting() {
    // An address of its own where there is one, so that no other test takes the port meanwhile.
    let host = if cfg!(target_os = "linux") { "127.0.0.2:0" } else { "127.0.0.1:0" };
    let free = TcpListener::bind(host).unwrap().local_addr().unwrap().to_string();
    let hasty = TcpOptions { connect_timeout: millis(60), accept_timeout: Some(millis(20)), ..TcpOptions::default() };
    let error = connect(&free, "dealer", &hasty).err().unwrap();
    assert!(matches!(error, NetError::Connect { .. }) && error.to_string().contains("dealer"), "{error}");
    let error = Listener::bind(&free).unwrap().accept("client", &hasty).err().unwrap();
    assert!(matches!(error, NetError::Accept { .. }) && error.to_string().contains("client"), "{error}");
    let taken = Listener::bind("127.0.0.1:0").unwrap();
    assert!(matches!(Listener::bind(&taken.local_addr().to_string()), Err(NetError::Bind { .. })));
    // The client may start before the server.
    thread::scope(|scope| {
        let client = scope.spawn(|| connect(&free, "server", &TcpOptions::default()).unwrap().send(AT, vec![1]));
        thread::sleep(millis(50));
        let listener = Listener::bind(&free).unwrap();
        assert_eq!(listener.accept("client", &TcpOptions::default()).unwrap().recv(AT), Ok(vec![1]));
        client.join().unwrap().unwrap();
    });
}
