//! The frame header, and frames read from a byte stream.

use std::io::{ErrorKind, Read};

use super::Address;
use super::error::Fault;

/// First word of every frame: `MSQ` and the version of the frame format.
pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"MSQ1");

/// Bytes of a frame before its payload.
pub(super) const HEADER: usize = 24;

/// A payload's buffer grows by this much as bytes arrive: a length that is only announced costs no memory.
const STEP: usize = 1 << 20;

/// Header of a frame.
pub(super) fn encode(at: Address, payload: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    header[4..8].copy_from_slice(&at.eval.to_le_bytes());
    header[8..12].copy_from_slice(&at.node.to_le_bytes());
    header[12..14].copy_from_slice(&at.tile.to_le_bytes());
    header[14..16].copy_from_slice(&at.purpose.to_le_bytes());
    header[16..24].copy_from_slice(&(payload as u64).to_le_bytes());
    header
}

/// Address and payload length of a header.
pub(super) fn decode(header: &[u8; HEADER], max_frame: u64) -> Result<(Address, usize), Fault> {
    let [m0, m1, m2, m3, e0, e1, e2, e3, n0, n1, n2, n3, t0, t1, p0, p1, length @ ..] = *header;
    let magic = u32::from_le_bytes([m0, m1, m2, m3]);
    if magic != MAGIC {
        return Err(Fault::Magic(magic));
    }
    let at = Address {
        eval: u32::from_le_bytes([e0, e1, e2, e3]),
        node: u32::from_le_bytes([n0, n1, n2, n3]),
        tile: u16::from_le_bytes([t0, t1]),
        purpose: u16::from_le_bytes([p0, p1]),
    };
    let bytes = u64::from_le_bytes(length);
    match usize::try_from(bytes) {
        Ok(payload) if bytes <= max_frame => Ok((at, payload)),
        _ => Err(Fault::TooLong { bytes, limit: max_frame }),
    }
}

/// Reads a header; an end of the stream before its first byte is an orderly close.
pub(super) fn read_header(stream: &mut impl Read, max_frame: u64) -> Result<(Address, usize), Fault> {
    let mut header = [0; HEADER];
    let mut got = 0;
    while got < HEADER {
        match read_some(stream, &mut header[got..])? {
            0 if got == 0 => return Err(Fault::Closed),
            0 => return Err(Fault::Truncated { got: got as u64, expected: HEADER as u64 }),
            n => got += n,
        }
        if got >= 4 && header[..4] != MAGIC.to_le_bytes() {
            break;
        }
    }
    decode(&header, max_frame)
}

/// Reads a payload, calling `touch` as bytes arrive.
pub(super) fn read_payload(stream: &mut impl Read, bytes: usize, touch: impl Fn()) -> Result<Vec<u8>, Fault> {
    let mut payload = Vec::new();
    payload.try_reserve_exact(bytes).map_err(|_| Fault::Io(format!("no memory for a message of {bytes} bytes")))?;
    let mut got = 0;
    while got < bytes {
        if got == payload.len() {
            payload.resize(bytes.min(got + STEP), 0);
        }
        match read_some(stream, &mut payload[got..])? {
            0 => return Err(Fault::Truncated { got: got as u64, expected: bytes as u64 }),
            n => got += n,
        }
        touch();
    }
    Ok(payload)
}

/// One read; 0 is the end of the stream, orderly or not.
fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    loop {
        match stream.read(buffer) {
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                return match Fault::from(e) {
                    Fault::Closed => Ok(0),
                    fault => Err(fault),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn header_round_trip(eval: u32, node: u32, tile: u16, purpose: u16, payload in 0usize..1 << 30) {
            let at = Address { eval, node, tile, purpose };
            prop_assert_eq!(decode(&encode(at, payload), 1 << 30), Ok((at, payload)));
        }

        #[test]
        fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assume!(!bytes.starts_with(b"MSQ1"));
            prop_assert!(read_header(&mut &bytes[..], u64::MAX).is_err());
        }
    }

    #[test]
    fn announced_length_is_not_trusted() {
        let huge = encode(Address::default(), 1 << 40);
        assert_eq!(decode(&huge, 1 << 30), Err(Fault::TooLong { bytes: 1 << 40, limit: 1 << 30 }));
        let cut = read_payload(&mut &[1u8, 2, 3][..], 1 << 30, || {});
        assert_eq!(cut, Err(Fault::Truncated { got: 3, expected: 1 << 30 }));
        let mut whole = vec![7u8; STEP + 5];
        whole[STEP] = 9;
        assert_eq!(read_payload(&mut &whole[..], STEP + 5, || {}), Ok(whole.clone()));
    }
}
