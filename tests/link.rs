//! The link that `masque_engine::net::shaped` models, against the kernel's own traffic control: the same messages over the same
//! TCP channel, once shaped by us and once in a network namespace with a token bucket for each direction.
//!
//! Needs Linux with `unshare`, `ip`, `tc` and user namespaces; where something is missing the test says what and proves
//! nothing. The kernel delays messages only if it has `netem`; without it the delay is left out on both sides.

#![cfg(target_os = "linux")]

use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use masque_engine::net::{Address, Channel, Link, Listener, TcpOptions, connect, shaped};

/// Bandwidth of the WAN and half of its round trip.
const BITS: u64 = Link::WAN.bits_per_second;
const DELAY: Duration = Duration::from_millis(2);
/// How far the two may differ.
const TOLERANCE: f64 = 0.10;
/// Messages one way, one after another, and rounds in which both ends send one.
const STREAM: [usize; 4] = [700_000, 1, 1_300_000, 40_000];
const EXCHANGE: (usize, usize) = (20, 250_000);
/// The test's name when it runs itself in the namespace.
const INSIDE: &str = "measured_in_the_namespace";

/// Bandwidth both ways, and delay if the kernel can; tells which.
const TRAFFIC_CONTROL: &str = r#"
set -e
ip link set lo up
tc qdisc add dev lo root handle 1: htb default 1
for class in 1 2; do
    tc class add dev lo parent 1: classid 1:$class htb rate "$RATE"bit burst 64k cburst 64k quantum 65536
done
tc filter add dev lo parent 1: protocol ip u32 match ip dst 127.0.0.2 flowid 1:2
if tc qdisc add dev lo parent 1:1 handle 11: netem delay "$DELAY"us limit 100000 2>/dev/null; then
    tc qdisc add dev lo parent 1:2 handle 12: netem delay "$DELAY"us limit 100000
    echo delayed
fi
"#;

/// Seconds of the two patterns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Times {
    stream: f64,
    exchange: f64,
}

impl Times {
    /// What the link's arithmetic says. The stream is acknowledged by an empty message.
    fn expected(link: Link) -> Self {
        let bytes: usize = STREAM.iter().sum();
        let one_way = |bytes| (link.occupancy(bytes) + link.round_trip / 2).as_secs_f64();
        Self { stream: one_way(bytes) + one_way(0), exchange: EXCHANGE.0 as f64 * one_way(EXCHANGE.1) }
    }

    fn best(self, other: Self) -> Self {
        Self { stream: self.stream.min(other.stream), exchange: self.exchange.min(other.exchange) }
    }

    fn agrees(self, other: Self) -> bool {
        let close = |a: f64, b: f64| (a / b - 1.0).abs() <= TOLERANCE;
        close(self.stream, other.stream) && close(self.exchange, other.exchange)
    }
}

/// Both ends send, then receive, as in an opening.
fn exchange(channel: &dyn Channel, rounds: usize) {
    for _ in 0..rounds {
        channel.send(Address::default(), vec![1; EXCHANGE.1]).unwrap();
        channel.recv(Address::default()).unwrap();
    }
}

/// The patterns over a TCP connection whose ends have addresses of their own, so that the kernel can tell directions apart.
fn measure(link: Option<Link>) -> Times {
    let (opts, at) = (TcpOptions::default(), Address::default());
    let listener = Listener::bind("127.0.0.2:0").unwrap();
    let near = connect(&listener.local_addr().to_string(), "server", &opts).unwrap();
    let far = listener.accept("client", &opts).unwrap();
    let [near, far] = [near, far].map(|c| link.into_iter().fold(c, shaped));
    thread::scope(|s| {
        s.spawn(move || {
            exchange(&*far, 2);
            STREAM.iter().for_each(|_| drop(far.recv(at).unwrap()));
            far.send(at, vec![]).unwrap();
            exchange(&*far, EXCHANGE.0);
        });
        // TCP finds out how much it may send at once.
        exchange(&*near, 2);
        let start = Instant::now();
        STREAM.iter().for_each(|n| near.send(at, vec![1; *n]).unwrap());
        near.recv(at).unwrap();
        let stream = start.elapsed().as_secs_f64();
        let start = Instant::now();
        exchange(&*near, EXCHANGE.0);
        Times { stream, exchange: start.elapsed().as_secs_f64() }
    })
}

fn best_of_three(link: Option<Link>) -> Times {
    (0..3).map(|_| measure(link)).reduce(Times::best).unwrap()
}

/// This test alone again, behind the kernel's shaper: its times and whether it delays. What is missing is an error.
fn in_namespace() -> Result<(Times, bool), String> {
    let script = format!("{TRAFFIC_CONTROL}\nexec \"$0\" --exact {INSIDE} --ignored --nocapture");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", &script]).arg(env::current_exe().unwrap());
    command.env("RATE", BITS.to_string()).env("DELAY", DELAY.as_micros().to_string());
    let output = command.output().map_err(|e| format!("unshare does not start: {e}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        assert!(!stdout.contains("running 1 test"), "the test inside failed: {stdout}{stderr}");
        return Err(stderr.trim().lines().last().unwrap_or("no reason given").to_owned());
    }
    let after = |name: &str| {
        let rest = stdout.split_once(name).unwrap_or_else(|| panic!("no {name} in {stdout}")).1;
        rest.split_whitespace().next().and_then(|t| t.parse::<f64>().ok()).expect("seconds")
    };
    let times = Times { stream: after("stream="), exchange: after("exchange=") };
    Ok((times, stdout.lines().any(|l| l == "delayed")))
}

#[test]
#[ignore = "runs in the namespace that the test below makes"]
fn measured_in_the_namespace() {
    let times = best_of_three(None);
    println!("\nstream={} exchange={}", times.stream, times.exchange);
}

#[test]
fn the_kernels_shaper_confirms_ours() {
    let mut attempts = vec![];
    for _ in 0..4 {
        let (kernel, delayed) = match in_namespace() {
            Ok(measured) => measured,
            Err(reason) => return println!("SKIPPED: no namespace with a shaper here: {reason}"),
        };
        let link = Link { bits_per_second: BITS, round_trip: if delayed { 2 * DELAY } else { Duration::ZERO } };
        let (ours, expected) = (best_of_three(Some(link)), Times::expected(link));
        println!("{link}: kernel {kernel:?}, ours {ours:?}, arithmetic {expected:?}");
        if ours.agrees(kernel) && ours.agrees(expected) {
            return;
        }
        attempts.push((kernel.agrees(expected), ours));
    }
    // Other load makes both slower. The kernel's own figure tells whether this machine could measure at all.
    if attempts.iter().all(|(measurable, _)| !measurable) {
        return println!("SKIPPED: the machine is too busy, the kernel's own shaper is off its arithmetic");
    }
    panic!("the shaped channel differs from the kernel's shaper: {attempts:?}");
}
