// out[i] = k random bits of stream (key, nonce). With BOTH the dealer's sum of the parties' streams, keys 0 and 1, not
// reduced mod 2^k; with SHIFTED of both without their lowest `shift` bits. One thread makes 8 PARTS elements, a block of the
// stream; the first one is block `block`.
#ifdef SHIFTED
struct Params { n: u32, k: u32, key: u32, n0: u32, n1: u32, n2: u32, block: u32, shift: u32 }
#else
struct Params { n: u32, k: u32, key: u32, n0: u32, n1: u32, n2: u32, block: u32 }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<V>; // [n]
#import thread
#import prg
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u * PARTS >= p.n) { return; }
    let nonce = vec3<u32>(p.n0, p.n1, p.n2);
#ifdef BOTH
    let x = draw(0u, nonce, p.block + t);
    let y = draw(1u, nonce, p.block + t);
#else
    let x = draw(p.key, nonce, p.block + t);
#endif
    for (var part = 0u; part < PARTS; part++) {
        let at = t * PARTS + part;
        if (at * 8u < p.n) {
            var a = part8(x, part);
#ifdef BOTH
            var b = part8(y, part);
#endif
            for (var i = 0u; i < 8u; i++) {
                a[i] = r_low(a[i], K);
#ifdef SHIFTED
                a[i] = r_add(r_shr(a[i], p.shift), r_shr(r_low(b[i], K), p.shift));
#else
#ifdef BOTH
                a[i] = r_add(a[i], r_low(b[i], K));
#endif
#endif
            }
            store8_out(at, a);
        }
    }
}
