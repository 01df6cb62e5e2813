//! What the roles did when, in the format of Chrome's trace viewer (`chrome://tracing`, <https://ui.perfetto.dev>): a process
//! for each role, in it a line each for the host, the device and the network.

use masque_engine::protocol::Role;
use masque_engine::trace::{Event, Lane};
use serde_json::{Value, json};

const LANES: [(Lane, &str); 3] = [(Lane::Host, "host"), (Lane::Device, "device"), (Lane::Network, "network")];

/// The file's text. Roles must have started their traces with the same origin.
pub fn chrome(traces: &[(Role, Vec<Event>)]) -> String {
    let mut events: Vec<Value> = vec![];
    for (role, recorded) in traces {
        let pid = *role as u64;
        let name = |what: &str, tid: usize, name: &str| -> Value {
            json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}})
        };
        events.push(name("process_name", 0, role.name()));
        events.extend(LANES.iter().enumerate().map(|(tid, (_, lane))| name("thread_name", tid, lane)));
        events.extend(recorded.iter().map(|e| {
            let tid = LANES.iter().position(|(lane, _)| *lane == e.lane).unwrap_or(0);
            let micros = |d: std::time::Duration| d.as_nanos() as f64 / 1e3;
            let mut args = serde_json::Map::new();
            if let Some(at) = e.at {
                args.insert("step".into(), at.to_string().into());
            }
            if e.bytes > 0 {
                args.insert("bytes".into(), e.bytes.into());
            }
            json!({"ph": "X", "name": e.name, "cat": LANES[tid].1, "pid": pid, "tid": tid,
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
            lane: Lane::Device,
            name: "open \"MINUS\"".into(),
            at: None,
            bytes: 12,
            start: Duration::from_micros(1500),
            length: Duration::from_nanos(2500),
        };
        let text = chrome(&[(Role::Client, vec![]), (Role::Server, vec![event])]);
        let parsed: Value = serde_json::from_str(&text).expect("JSON");
        let events = parsed["traceEvents"].as_array().expect("a list");
        assert_eq!(events.len(), 2 * 4 + 1);
        let last = &events[8];
        assert_eq!((&last["pid"], &last["tid"]), (&json!(Role::Server as u64), &json!(1)));
        assert_eq!((&last["ts"], &last["dur"]), (&json!(1500.0), &json!(2.5)));
        assert_eq!(last["args"], json!({"bytes": 12}));
        assert!(events.iter().any(|e| e["args"]["name"] == "server"));
    }
}
