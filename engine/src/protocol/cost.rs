//! Bytes and rounds.

/// Bits on the wire and rounds, as declared by a protocol or counted by a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Payload bytes client to server.
    pub to_server: u64,
    /// Payload bytes server to client.
    pub to_client: u64,
    /// Correction bytes dealer to server.
    pub offline: u64,
    /// Exchanges that wait for the peer; a one-way message counts half, so this is in half rounds.
    pub half_rounds: u64,
}

impl std::ops::Add for Cost {
    type Output = Cost;
    fn add(self, o: Cost) -> Cost {
        Cost {
            to_server: self.to_server + o.to_server,
            to_client: self.to_client + o.to_client,
            offline: self.offline + o.offline,
            half_rounds: self.half_rounds + o.half_rounds,
        }
    }
}

impl std::ops::Sub for Cost {
    type Output = Cost;
    fn sub(self, o: Cost) -> Cost {
        Cost {
            to_server: self.to_server - o.to_server,
            to_client: self.to_client - o.to_client,
            offline: self.offline - o.offline,
            half_rounds: self.half_rounds - o.half_rounds,
        }
    }
}

/// Bytes of `n` packed elements of `k` bits.
pub fn packed_bytes(n: usize, k: u32) -> u64 {
    (n as u64 * k as u64).div_ceil(8)
}
