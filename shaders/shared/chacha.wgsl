// ChaCha in the layout of RFC 8439: key of 8 words, block counter, nonce of 3 words. 12 rounds; CHACHA20 raises them to
// 20 so that tests can compare with the RFC's vectors.
#ifdef CHACHA20
const ROUNDS: u32 = 10u;
#else
const ROUNDS: u32 = 6u;
#endif
struct Block { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

fn rotl(x: vec4<u32>, s: u32) -> vec4<u32> { return (x << vec4<u32>(s)) | (x >> vec4<u32>(32u - s)); }

fn quarters(s: Block) -> Block {
    var a = s.a;
    var b = s.b;
    var c = s.c;
    var d = s.d;
    a += b; d = rotl(d ^ a, 16u);
    c += d; b = rotl(b ^ c, 12u);
    a += b; d = rotl(d ^ a, 8u);
    c += d; b = rotl(b ^ c, 7u);
    return Block(a, b, c, d);
}

// `tail` is the counter followed by the nonce.
fn chacha(key_a: vec4<u32>, key_b: vec4<u32>, tail: vec4<u32>) -> Block {
    let start = Block(vec4<u32>(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u), key_a, key_b, tail);
    var s = start;
#each r ROUNDS
    s = quarters(s);
    s = Block(s.a, s.b.yzwx, s.c.zwxy, s.d.wxyz);
    s = quarters(s);
    s = Block(s.a, s.b.wxyz, s.c.zwxy, s.d.yzwx);
#end
    return Block(s.a + start.a, s.b + start.b, s.c + start.c, s.d + start.d);
}
