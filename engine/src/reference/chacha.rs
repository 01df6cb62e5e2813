//! ChaCha in the layout of RFC 8439 with any number of rounds.

fn quarter(s: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    for (x, y, z, rotation) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        s[x] = s[x].wrapping_add(s[y]);
        s[z] = (s[z] ^ s[x]).rotate_left(rotation);
    }
}

/// A block: key of 8 words; `tail` is the counter followed by the nonce.
pub fn chacha(rounds: usize, key: &[u32], tail: [u32; 4]) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&[0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
    start[4..12].copy_from_slice(key);
    start[12..].copy_from_slice(&tail);
    let mut s = start;
    for _ in 0..rounds / 2 {
        for i in 0..4 {
            quarter(&mut s, i, 4 + i, 8 + i, 12 + i);
        }
        for i in 0..4 {
            quarter(&mut s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    std::array::from_fn(|i| s[i].wrapping_add(start[i]))
}
