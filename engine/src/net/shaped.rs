//! Outgoing traffic at the speed of a declared link.
//!
//! A message of n wire bytes occupies the link for n * 8 / bandwidth after the message before it, and arrives half a
//! round trip later; the delay is latency, not occupancy, so messages are pipelined. Only the sending side is shaped:
//! shape both ends to get the full round trip. Bytes are those of our frames, without the headers of TCP and IP. What
//! the real transport takes (loopback: tens of microseconds per message) comes on top.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::{Channel, NetError};

/// Bandwidth in each direction and latency of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Bits per second one way; `u64::MAX` is no limit.
    pub bits_per_second: u64,
    /// Round trip; a message is delayed by half of it.
    pub round_trip: Duration,
}

impl Link {
    /// No shaping.
    pub const LOOPBACK: Self = Self { bits_per_second: u64::MAX, round_trip: Duration::ZERO };
    /// Local network: 3 Gbit/s one way, 0.3 ms round trip.
    pub const LAN: Self = Self { bits_per_second: 3_000_000_000, round_trip: Duration::from_micros(300) };
    /// Wide-area network: 400 Mbit/s one way, 4 ms round trip.
    pub const WAN: Self = Self { bits_per_second: 400_000_000, round_trip: Duration::from_millis(4) };

    /// Reads `loopback`, `lan`, `wan` or bandwidth and round trip, such as `400mbit,4ms` (units: bit, kbit, mbit, gbit;
    /// us, ms, s).
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let fail = || NetError::Link { text: text.to_owned() };
        match text.trim().to_ascii_lowercase().as_str() {
            "loopback" => Ok(Self::LOOPBACK),
            "lan" => Ok(Self::LAN),
            "wan" => Ok(Self::WAN),
            other => {
                let (rate, trip) = other.split_once(',').ok_or_else(fail)?;
                let bits =
                    number(rate, &[("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)]).ok_or_else(fail)?;
                let trip = number(trip, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)]).ok_or_else(fail)?;
                // A kilobit per second and an hour are far outside anything usable, and keep the arithmetic in range.
                if !(1e3..1e15).contains(&bits) || trip > 3600.0 {
                    return Err(fail());
                }
                Ok(Self { bits_per_second: bits as u64, round_trip: Duration::from_secs_f64(trip) })
            }
        }
    }

    /// Time for which a message occupies the link.
    pub fn occupancy(&self, bytes: usize) -> Duration {
        if self.bits_per_second == u64::MAX {
            return Duration::ZERO;
        }
        let nanos = bytes as u128 * 8_000_000_000 / u128::from(self.bits_per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::LOOPBACK {
            return f.write_str("loopback");
        }
        let megabits = self.bits_per_second as f64 / 1e6;
        write!(f, "{megabits}mbit,{}ms", self.round_trip.as_secs_f64() * 1e3)
    }
}

/// Non-negative number with one of the units.
fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let value: f64 = digits.trim().parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value * factor)
}

/// The channel, with its outgoing messages arriving as they would over `link`.
pub fn shaped(channel: Box<dyn Channel>, link: Link) -> Box<dyn Channel> {
    channel.shape(link);
    channel
}

/// Time on the link that a sender may catch up at once after it was held up: enough for the scheduling of a busy
/// machine, not for a receiver that reads too slowly.
const BURST: Duration = Duration::from_millis(20);

/// The sending side of a link.
pub(super) struct Shaper {
    link: Link,
    free: Option<Instant>,
}

/// Times at which a message is to be sent.
pub(super) struct Slot {
    arrives: Instant,
    occupies: Duration,
    bytes: usize,
}

impl Shaper {
    pub fn new(link: Link) -> Self {
        Self { link, free: None }
    }

    /// Whether messages may be sent as soon as they are there.
    pub fn unlimited(&self) -> bool {
        self.link == Link::LOOPBACK
    }

    /// Takes the link for a message queued at `queued`.
    pub fn slot(&mut self, queued: Instant, bytes: usize) -> Slot {
        let start = self.free.map_or(queued, |free| free.max(queued));
        let occupies = self.link.occupancy(bytes);
        let free = start + occupies;
        self.free = Some(free);
        Slot { arrives: free + self.link.round_trip / 2, occupies, bytes }
    }

    /// The last message really was sent at `now`: time lost to a slow receiver is not caught up, beyond the burst.
    pub fn sent(&mut self, now: Instant) {
        let floor = now.checked_sub(self.link.round_trip / 2 + BURST);
        self.free = self.free.max(floor);
    }

    /// Pieces in which to send, so that bytes move all the time.
    pub fn piece(&self) -> usize {
        if self.link.bits_per_second == u64::MAX {
            return 1 << 20;
        }
        // Half a millisecond's worth.
        usize::try_from(self.link.bits_per_second / 16_000).unwrap_or(usize::MAX).clamp(1 << 12, 1 << 20)
    }
}

impl Slot {
    /// When the whole message arrives.
    pub fn arrival(&self) -> Instant {
        self.arrives
    }

    /// When the first `bytes` bytes arrive.
    pub fn arrival_of(&self, bytes: usize) -> Instant {
        let rest = self.occupies.mul_f64((self.bytes - bytes) as f64 / self.bytes.max(1) as f64);
        self.arrives.checked_sub(rest).unwrap_or(self.arrives)
    }
}

/// Sleeps until `then`, more exactly than the operating system alone.
pub(super) fn sleep_until(then: Instant) {
    const SLACK: Duration = Duration::from_micros(100);
    loop {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        } else if left > SLACK {
            thread::sleep(left - SLACK);
        } else {
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Address, Listener, TcpOptions, connect, pair};
    use super::*;

    #[test]
    fn parse_and_print() {
        assert_eq!(Link::parse("loopback").unwrap(), Link::LOOPBACK);
        assert_eq!(Link::parse("LAN").unwrap(), Link::LAN);
        assert_eq!(Link::parse("400mbit,4ms").unwrap(), Link::WAN);
        assert_eq!(Link::parse(" 3 gbit , 300us ").unwrap(), Link::LAN);
        for link in [Link::LOOPBACK, Link::LAN, Link::WAN] {
            assert_eq!(Link::parse(&link.to_string()).unwrap(), link);
        }
        for text in ["", "400mbit", "mbit,ms", "-1mbit,4ms", "0mbit,4ms", "nanmbit,1ms", "1mbit,infs", "1e99gbit,1ms"] {
            assert_eq!(Link::parse(text), Err(NetError::Link { text: text.to_owned() }));
        }
    }

    #[test]
    fn shaper_arithmetic() {
        let start = Instant::now();
        let mut shaper = Shaper::new(Link { bits_per_second: 8_000_000, round_trip: Duration::from_millis(10) });
        let ms = Duration::from_millis;
        // 1 byte per microsecond; the second message waits for the first, the third came after both.
        let first = shaper.slot(start, 10_000);
        assert_eq!(first.arrival(), start + ms(15));
        assert_eq!(first.arrival_of(5_000), start + ms(10));
        assert_eq!(shaper.slot(start, 20_000).arrival(), start + ms(35));
        assert_eq!(shaper.slot(start + ms(50), 1_000).arrival(), start + ms(56));
        // Held up by the receiver until 100 ms: only the burst is caught up.
        shaper.sent(start + ms(100));
        assert_eq!(shaper.slot(start, 1_000).arrival(), start + ms(81));
        // Held up for less than that: everything is caught up.
        shaper.sent(start + ms(85));
        assert_eq!(shaper.slot(start, 1_000).arrival(), start + ms(82));
    }

    /// Seconds from the first byte to the last message, and seconds of a ping, over the WAN.
    fn measure(near: Box<dyn Channel>, far: Box<dyn Channel>, sizes: &[usize]) -> (f64, f64) {
        let at = Address::default();
        thread::scope(|s| {
            s.spawn(|| {
                for _ in sizes {
                    far.recv(at).unwrap();
                }
                far.send(at, vec![]).unwrap();
                far.recv(at).unwrap();
                far.send(at, vec![]).unwrap();
                far.flush().unwrap();
            });
            let start = Instant::now();
            for &n in sizes {
                near.send(at, vec![1; n]).unwrap();
            }
            near.recv(at).unwrap();
            let stream = start.elapsed() - Link::WAN.round_trip;
            let start = Instant::now();
            near.send(at, vec![]).unwrap();
            near.recv(at).unwrap();
            (stream.as_secs_f64(), start.elapsed().as_secs_f64())
        })
    }

    fn assert_wan(what: &str, make: impl Fn() -> (Box<dyn Channel>, Box<dyn Channel>)) {
        let sizes: Vec<usize> = (0..300).map(|i| 4_000 * (i % 7) + 1).chain([3_000_000]).collect();
        let bits = sizes.iter().sum::<usize>() as f64 * 8.0;
        let mut best = (0.0f64, f64::MAX);
        // Other load on the machine can only make it slower: right is what one attempt shows, or all of them together
        // as far as a busy machine can tell (300 latencies one after the other would be 0.2 of the bandwidth).
        for _ in 0..4 {
            let (near, far) = make();
            let (stream, ping) = measure(shaped(near, Link::WAN), shaped(far, Link::WAN), &sizes);
            let (rate, trip) = (bits / stream / 400e6, ping / 4e-3);
            println!("{what}: {rate:.3} of the bandwidth, {trip:.3} of the round trip");
            assert!(
                rate < 1.05 && trip >= 1.0,
                "{what} is faster than the link: {rate} of bandwidth, {trip} of latency"
            );
            best = (best.0.max(rate), best.1.min(trip));
            if best.0 > 0.95 && best.1 < 1.25 {
                return;
            }
        }
        assert!(best.0 > 0.4 && best.1 < 8.0, "{what} is slower than the link: {best:?}");
    }

    #[test]
    fn wan_in_process() {
        assert_wan("pair", || pair("client", "server"));
    }

    #[test]
    fn wan_over_tcp() {
        assert_wan("tcp", || {
            let opts = TcpOptions::default();
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let near = connect(&listener.local_addr().to_string(), "server", &opts).unwrap();
            (near, listener.accept("client", &opts).unwrap())
        });
    }

    #[test]
    fn slow_receiver_does_not_earn_bandwidth() {
        // 20 MB take 400 ms on the link and are all queued, but the receiver takes nothing for that time. Then all but
        // what its queue (256 KiB) and the socket (some MB) hold still has to cross the link.
        let opts = TcpOptions::default();
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let near = connect(&listener.local_addr().to_string(), "server", &opts).unwrap();
        let far = listener.accept("client", &TcpOptions { queue_bytes: 256 << 10, ..opts }).unwrap();
        let near = shaped(near, Link { bits_per_second: 400_000_000, round_trip: Duration::ZERO });
        let at = Address::default();
        thread::scope(|s| {
            s.spawn(move || {
                for _ in 0..400 {
                    near.send(at, vec![0; 50_000]).unwrap();
                }
            });
            thread::sleep(Duration::from_millis(400));
            let start = Instant::now();
            (0..400).for_each(|_| drop(far.recv(at).unwrap()));
            println!("the rest took {:?}", start.elapsed());
            assert!(start.elapsed() > Duration::from_millis(120), "{:?}", start.elapsed());
        });
    }
}
