//! The generator of masks against RFC 8439 and against two other implementations.

use chacha20::ChaCha12;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use masque_engine::gpu::{Kernel, Recorder};
use masque_engine::reference::prg::{self, ROUNDS};
use masque_engine::{args, bufs};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::case::{Draw, devices};

/// The words of bytes in hexadecimal, spaces between.
fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hexadecimal")).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// `n` 64-bit words of keystream from a block on, by the kernel.
fn stream(r: &mut Recorder, kernel: &Kernel, key: &[u8], nonce: &[u8], block: u32, n: usize) -> Vec<u8> {
    let keys = r.upload_slice(&words(key)).unwrap();
    let out = r.upload_slice(&vec![0xa5a5_a5a5_a5a5_a5a5u64; n]).unwrap();
    let nonce = words(nonce);
    let params = args![n: n, k: 64u32, key: 0u32, n0: nonce[0], n1: nonce[1], n2: nonce[2], block: block];
    r.run(kernel, params, bufs![keys: &keys, out: &out], n.div_ceil(8)).unwrap();
    bytemuck::cast_slice(&r.read_slice::<u64>(&out, n).unwrap()).to_vec()
}

/// Key, nonce, block counter, keystream from that block on.
const RFC_8439: [(&str, &str, usize, &str); 7] = [
    // 2.3.2
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "000000090000004a00000000",
        1,
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
         d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
    ),
    // 2.4.2
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "000000000000004a00000000",
        1,
        "224f51f3401bd9e12fde276fb8631ded8c131f823d2c06e27e4fcaec9ef3cf78
         8a3b0aa372600a92b57974cded2b9334794cba40c63e34cdea212c4cf07d41b7
         69a6749f3f630f4122cafe28ec4dc47e26d4346d70b98c73f3e9c53ac40c5945
         398b6eda1a832c89c167eacd901d7e2bf363",
    ),
    // A.1, 1 to 5
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        0,
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
         da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        1,
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed
         29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "000000000000000000000000",
        1,
        "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a
         8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
    ),
    (
        "00ff000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        2,
        "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca
         13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000002",
        0,
        "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7
         8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d",
    ),
];

#[test]
fn twenty_rounds_as_in_the_rfc() {
    let kernel = Kernel::new("prg").with("CHACHA20").bits(64);
    for gpu in devices() {
        let mut r = Recorder::new(gpu);
        for (i, (key, nonce, block, expected)) in RFC_8439.into_iter().enumerate() {
            let expected = hex(expected);
            // From the stream's beginning, and from the block itself.
            let n = 8 * block + expected.len().div_ceil(8);
            let got = stream(&mut r, &kernel, &hex(key), &hex(nonce), 0, n);
            assert_eq!(got[64 * block..][..expected.len()], expected, "vector {i}, {:?}", r.gpu().form());
            let got = stream(&mut r, &kernel, &hex(key), &hex(nonce), block as u32, n - 8 * block);
            assert_eq!(got[..expected.len()], expected, "vector {i}, {:?}", r.gpu().form());
        }
    }
}

#[test]
fn twelve_rounds_as_others_compute_them() {
    let mut draw = Draw::new("chacha");
    let mut recorders: Vec<_> = devices().into_iter().map(Recorder::new).collect();
    for _ in 0..20 {
        let (key, nonce) = (draw.halves(8), draw.halves(3));
        let (key, nonce): (&[u8], &[u8]) = (bytemuck::cast_slice(&key), bytemuck::cast_slice(&nonce));
        let n = 8 * 70 + 3;
        let mut cipher = ChaCha12::new_from_slices(key, nonce).expect("lengths");
        let mut expected = vec![0; 8 * n];
        cipher.apply_keystream(&mut expected);
        for r in &mut recorders {
            let got = stream(r, &Kernel::new("prg").bits(64), key, nonce, 0, n);
            assert!(got == expected, "chacha20 differs from {:?}", r.gpu().form());
        }
        // rand_chacha counts blocks in two words and has a nonce of two.
        let nonce = words(nonce);
        let mut rng = ChaCha12Rng::from_seed(key.try_into().expect("32 bytes"));
        rng.set_stream(u64::from(nonce[2]) << 32 | u64::from(nonce[1]));
        rng.set_word_pos(u128::from(nonce[0]) << 36);
        let mut other = vec![0; 8 * n];
        rng.fill_bytes(&mut other);
        assert!(other == expected, "rand_chacha differs from chacha20");
        // Kernel and twin, also far into a stream.
        for block in [0, 1, 69, u32::MAX as usize - 1] {
            let words = prg::block(ROUNDS, &words(key), 0, [nonce[0], nonce[1], nonce[2]], block);
            let mut bytes = [0; 64];
            cipher.seek(64 * block as u64);
            cipher.apply_keystream(&mut bytes);
            assert_eq!(bytemuck::cast_slice::<u32, u8>(&words), bytes, "twin at block {block}");
            for r in &mut recorders {
                let (kernel, nonce) = (Kernel::new("prg").bits(64), bytemuck::cast_slice(&nonce));
                assert_eq!(stream(r, &kernel, key, nonce, block as u32, 8), bytes, "kernel at block {block}");
            }
        }
    }
}
