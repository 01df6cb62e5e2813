//! Before anything is sent the roles make sure that they are who the other expects, run the same graph with the same
//! plan and settings, and are in one session.
//!
//! Greeting: version (u32), role (u8), session, fingerprint, settings (UTF-8 to the end of the message).

use std::collections::BTreeMap;
use std::fmt;

use super::{Address, Channel, NetError};

/// Version of everything that follows the frame header: greeting, packing and order of messages.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest settings text.
const MAX_SETTINGS: usize = 1 << 16;

/// Address of the greeting.
const AT: Address = Address::setup(u16::MAX);

/// The three roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// P0: has the prompt, receives the image.
    Client,
    /// P1: has the weights.
    Server,
    /// D: deals correlated randomness, has no input and sees no message.
    Dealer,
}

impl Role {
    /// `client`, `server` or `dealer`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Dealer => "dealer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a role says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who speaks.
    pub role: Role,
    /// Session, all zero on a side that joins the session of the other.
    pub session: [u8; 16],
    /// Digest of graph and fixed-point plan.
    pub fingerprint: [u8; 32],
    /// Canonical settings in one line: `key=value;key=value`.
    pub settings: String,
}

impl Hello {
    fn encode(&self) -> Vec<u8> {
        let role = match self.role {
            Role::Client => 0,
            Role::Server => 1,
            Role::Dealer => 2,
        };
        let version = PROTOCOL_VERSION.to_le_bytes();
        [&version[..], &[role], &self.session, &self.fingerprint, self.settings.as_bytes()].concat()
    }

    /// Reads a greeting of this version; `Err` says what is wrong with it.
    fn decode(rest: &[u8]) -> Result<Self, &'static str> {
        let (role, rest) = rest.split_first().ok_or("its greeting is cut short")?;
        let role = match role {
            0 => Role::Client,
            1 => Role::Server,
            2 => Role::Dealer,
            _ => return Err("it names an unknown role"),
        };
        let (session, rest) = rest.split_first_chunk().ok_or("its greeting is cut short")?;
        let (fingerprint, rest) = rest.split_first_chunk().ok_or("its greeting is cut short")?;
        if rest.len() > MAX_SETTINGS {
            return Err("its settings text is over the limit");
        }
        let settings = std::str::from_utf8(rest).map_err(|_| "its settings text is not UTF-8")?.to_owned();
        Ok(Self { role, session: *session, fingerprint: *fingerprint, settings })
    }
}

/// Greets the peer and returns what it said, with the session both are in: a side whose session is all zero joins that
/// of the other. Both sides call this at the same time, before any other message.
///
/// # Errors
/// Whatever differs, in this order: version, role, settings (the first key that differs), fingerprint, session; or the
/// channel's error.
pub fn handshake(ch: &dyn Channel, mine: &Hello, expect: Role) -> Result<Hello, NetError> {
    let peer = ch.peer().to_owned();
    let malformed = |what: &str| NetError::Hello { peer: peer.clone(), what: what.to_owned() };
    if mine.settings.len() > MAX_SETTINGS {
        return Err(malformed("our own settings text is over the limit"));
    }
    ch.send(AT, mine.encode())?;
    let greeting = ch.recv(AT)?;
    let (version, rest) = greeting.split_first_chunk().ok_or_else(|| malformed("its greeting is cut short"))?;
    let theirs = u32::from_le_bytes(*version);
    if theirs != PROTOCOL_VERSION {
        return Err(NetError::Version { peer, mine: PROTOCOL_VERSION, theirs });
    }
    let mut hello = Hello::decode(rest).map_err(malformed)?;
    if hello.role != expect {
        return Err(NetError::Role { peer, expected: expect, got: hello.role });
    }
    if let Some((key, mine, theirs)) = difference(&mine.settings, &hello.settings) {
        return Err(NetError::Setting { peer, key, mine, theirs });
    }
    if mine.fingerprint != hello.fingerprint {
        let short = |f: &[u8; 32]| hex(&f[..8]);
        return Err(NetError::Fingerprint { peer, mine: short(&mine.fingerprint), theirs: short(&hello.fingerprint) });
    }
    let zero = [0; 16];
    if hello.session == zero {
        hello.session = mine.session;
    }
    if hello.session == zero || (mine.session != zero && mine.session != hello.session) {
        return Err(NetError::Session { peer, mine: hex(&mine.session), theirs: hex(&hello.session) });
    }
    Ok(hello)
}

/// Sends a set-up message, outside any evaluation.
pub fn send_setup(ch: &dyn Channel, step: u16, payload: Vec<u8>) -> Result<(), NetError> {
    ch.send(Address::setup(step), payload)
}

/// Receives a set-up message.
pub fn recv_setup(ch: &dyn Channel, step: u16) -> Result<Vec<u8>, NetError> {
    ch.recv(Address::setup(step))
}

/// The first key, in alphabetical order, whose values differ, with both values.
fn difference(mine: &str, theirs: &str) -> Option<(String, String, String)> {
    if mine == theirs {
        return None;
    }
    let table = |text: &str| -> BTreeMap<String, String> {
        let items = text.split(';').filter(|item| !item.trim().is_empty());
        items.map(|item| item.split_once('=').unwrap_or((item, ""))).map(|(k, v)| (shown(k), shown(v))).collect()
    };
    let (mine_map, theirs_map) = (table(mine), table(theirs));
    let value =
        |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_else(|| "not given".to_owned());
    let mut keys = mine_map.keys().chain(theirs_map.keys()).collect::<Vec<_>>();
    keys.sort();
    match keys.into_iter().find(|key| mine_map.get(*key) != theirs_map.get(*key)) {
        Some(key) => Some((key.clone(), value(&mine_map, key), value(&theirs_map, key))),
        None => Some(("text".to_owned(), shown(mine), shown(theirs))),
    }
}

/// The peer's text made fit for an error message: no control characters, not long.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = text.trim();
    let cut = text.chars().take(LONGEST).flat_map(char::escape_debug).collect::<String>();
    if text.chars().nth(LONGEST).is_some() { cut + "..." } else { cut }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::pair;
    use super::*;
    use proptest::prelude::*;
    use std::thread;

    fn hello(role: Role) -> Hello {
        Hello { role, session: [0; 16], fingerprint: [5; 32], settings: "ring=48;softmax=secure".to_owned() }
    }

    /// Both sides greet; the client expects the server and the other way round.
    fn greet(client: &Hello, server: &Hello) -> (Result<Hello, NetError>, Result<Hello, NetError>) {
        let (c, s) = pair("client", "server");
        thread::scope(|scope| {
            let other = scope.spawn(move || handshake(&*s, server, Role::Client));
            let result = handshake(&*c, client, Role::Server);
            (result, other.join().unwrap())
        })
    }

    #[test]
    fn zero_session_joins() {
        let client = hello(Role::Client);
        let server = Hello { session: [3; 16], ..hello(Role::Server) };
        let (at_client, at_server) = greet(&client, &server);
        assert_eq!(at_client.unwrap(), server);
        assert_eq!(at_server.unwrap(), Hello { session: [3; 16], ..client.clone() });
        let same = Hello { session: [3; 16], ..client };
        assert_eq!(greet(&same, &server).1.unwrap().session, [3; 16]);
    }

    #[test]
    fn mismatches_are_named() {
        let good = || Hello { session: [3; 16], ..hello(Role::Server) };
        let message = |client: Hello, server: Hello| {
            let (c, s) = greet(&client, &server);
            assert!(s.is_err(), "both sides notice");
            c.unwrap_err().to_string()
        };
        let session = message(Hello { session: [4; 16], ..hello(Role::Client) }, good());
        assert!(session.contains("session 0303") && session.contains("0404"), "{session}");
        let none = message(hello(Role::Client), hello(Role::Server));
        assert!(none.contains("session 0000"), "{none}");
        let finger = message(Hello { fingerprint: [6; 32], ..hello(Role::Client) }, good());
        assert!(finger.contains("0505050505050505") && finger.contains("0606"), "{finger}");
        let mut other = good();
        other.settings = "ring=40;softmax=revealed".to_owned();
        other.fingerprint = [6; 32];
        let setting = message(hello(Role::Client), other);
        assert!(setting.contains("setting ring is 48 here but 40 at server"), "{setting}");
        let (c, s) = greet(&hello(Role::Client), &Hello { session: [1; 16], ..hello(Role::Dealer) });
        assert_eq!(c.unwrap_err(), NetError::Role { peer: "server".into(), expected: Role::Server, got: Role::Dealer });
        assert!(s.is_ok());
    }

    #[test]
    fn other_version() {
        let (c, s) = pair("client", "server");
        s.send(AT, vec![9, 0, 0, 0, 77]).unwrap();
        let error = handshake(&*c, &hello(Role::Client), Role::Server).unwrap_err();
        assert_eq!(error, NetError::Version { peer: "server".into(), mine: 1, theirs: 9 });
    }

    #[test]
    fn settings_differences() {
        let named = |a: &str, b: &str| difference(a, b).map(|(k, m, t)| format!("{k}|{m}|{t}"));
        assert_eq!(named("a=1;b=2", "a=1;b=2"), None);
        assert_eq!(named("a=1;b=2", "a=1").as_deref(), Some("b|2|not given"));
        assert_eq!(named("a=1;b=2", "b=2;a=1").as_deref(), Some("text|a=1;b=2|b=2;a=1"));
        assert_eq!(named("a=1", "a=\u{1b}[2J").as_deref(), Some("a|1|\\u{1b}[2J"));
        assert!(named("a=1", &format!("a={}", "x".repeat(60_000))).unwrap().len() < 200);
    }

    #[test]
    fn greeting_with_too_long_settings() {
        let long = Hello { settings: "x".repeat(MAX_SETTINGS + 1), ..hello(Role::Client) };
        assert_eq!(Hello::decode(&long.encode()[4..]), Err("its settings text is over the limit"));
        let (c, _s) = pair("client", "server");
        assert!(matches!(handshake(&*c, &long, Role::Server), Err(NetError::Hello { .. })));
        assert_eq!(c.counters().sent_messages, 0);
    }

    proptest! {
        #[test]
        fn greeting_round_trip(session: [u8; 16], fingerprint: [u8; 32], settings in ".{0,200}") {
            let hello = Hello { role: Role::Dealer, session, fingerprint, settings };
            prop_assert_eq!(Hello::decode(&hello.encode()[4..]), Ok(hello));
        }

        #[test]
        fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (c, s) = pair("client", "server");
            s.send(AT, bytes).unwrap();
            prop_assert!(handshake(&*c, &hello(Role::Client), Role::Server).is_err());
        }
    }
}
