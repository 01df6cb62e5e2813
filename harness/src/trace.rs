//! What the roles did when, in the format of Chrome's trace viewer (`chrome://tracing`, <https://ui.perfetto.dev>): a process
//! for each role, in it a line each for the host, the device and the network, and again for each further lane of tiles in
//! flight.

use masque_engine::protocol::Role;
use masque_engine::trace::{Event, Place};
use serde_json::{Value, json};

const PLACES: [(Place, &str); 3] = [(Place::Host, "host"), (Place::Device, "device"), (Place::Network, "network")];

/// The file's text. Roles must have started their traces with the same origin.
pub fn chrome(traces: &[(Role, Vec<Event>)]) -> String {
    let mut events: Vec<Value> = vec![];
    for (role, recorded) in traces {
        let pid = *role as u64;
        let name = |what: &str, tid: usize, name: &str| -> Value {
            json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}})
        };
        events.push(name("process_name", 0, role.name()));
        for lane in 0..=recorded.iter().map(|e| e.lane).max().unwrap_or(0) {
            let suffix = if lane == 0 { String::new() } else { format!(", lane {}", lane + 1) };
            events.extend(PLACES.iter().enumerate().map(|(i, (_, place))| {
                let tid = lane * PLACES.len() + i;
                name("thread_name", tid, &format!("{place}{suffix}"))
            }));
        }
        events.extend(recorded.iter().map(|e| {
            let place = PLACES.iter().position(|(place, _)| *place == e.place).unwrap_or(0);
            let tid = e.lane * PLACES.len() + place;
            let micros = |d: std::time::Duration| d.as_nanos() as f64 / 1e3;
            let mut args = serde_json::Map::new();
            if let Some(at) = e.at {
                args.insert("step".into(), at.to_string().into());
            }
            if e.bytes > 0 {
                args.insert("bytes".into(), e.bytes.into());
            }
            json!({"ph": "X", "name": e.name, "cat": PLACES[place].1, "pid": pid, "tid": tid,
                "ts": micros(e.start), "dur": micros(e.length), "args": args})
        }));
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn events_keep_their_times_and_places() {
        let event = Event {
            place: Place::Device,
            lane: 1,
            name: "open \"MINUS\"".into(),
            at: None,
            bytes: 12,
            start: Duration::from_micros(1500),
            length: Duration::from_nanos(2500),
        };
        let text = chrome(&[(Role::Client, vec![]), (Role::Server, vec![event])]);
        let parsed: Value = serde_json::from_str(&text).expect("JSON");
        let events = parsed["traceEvents"].as_array().expect("a list");
        // A name for each role and each of its lines, of which the server has two lanes' worth.
        assert_eq!(events.len(), 4 + 7 + 1);
        let last = &events[11];
        assert_eq!((&last["pid"], &last["tid"]), (&json!(Role::Server as u64), &json!(4)));
        assert!(events.iter().any(|e| e["args"]["name"] == "device, lane 2" && e["tid"] == last["tid"]));
        assert_eq!((&last["ts"], &last["dur"]), (&json!(1500.0), &json!(2.5)));
        assert_eq!(last["args"], json!({"bytes": 12}));
        assert!(events.iter().any(|e| e["args"]["name"] == "server"));
    }
}
