// End of a tournament's level, fused with the opening of its winners: from the bits c = [a < b] ^ beta of the pairs
// (shared/pairs.wgsl), own shares of beta and beta M, M the mask of the difference d of the opened values,
//   winner = b + ind (d - M), ind = q + (1 - 2 q) beta, q = 1 - c      lam = K random bits      msg = winner + lam mod 2^K
// Dealt words are [n / 8][beta M, beta][8]: CLIENT draws them, the server has the dealer's message. One thread handles 16
// elements.
struct Params {
    n: u32, half: u32, width: u32, first: u32, m0: u32, m1: u32, m2: u32, n0: u32, n1: u32, n2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
#ifdef EIGHTS
@group(0) @binding(2) var<storage, read> delta: array<V>; // [n / half][width]
@group(0) @binding(3) var<storage, read> lam: array<V>; // own share of the mask, as delta
#else
@group(0) @binding(2) var<storage, read> delta: array<R>; // [n / half][width]
@group(0) @binding(3) var<storage, read> lam: array<R>; // own share of the mask, as delta
#endif
@group(0) @binding(4) var<storage, read> bits: array<u32>; // [n / 32 rounded up]
#ifdef SERVER
@group(0) @binding(5) var<storage, read> dealt: array<u32>; // packed
#import unpack(dealt)
#endif
@group(0) @binding(6) var<storage, read_write> out: array<V>; // [n] own share of the winners' masks
@group(0) @binding(7) var<storage, read_write> msg: array<u32>; // [n / 8 rounded up][K / 4]
#import thread
#import prg
#import pack
#import pairs(delta)
#import pairs(lam)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 16u >= p.n) { return; }
    let public_part = r_neg(r_of(p.first));
    let masks = draw(1u - p.first, vec3<u32>(p.m0, p.m1, p.m2), t);
    let second = p.width - p.half;
    for (var part = 0u; part < 2u; part++) {
        let at = 2u * t + part;
        if (at * 8u < p.n) {
#ifdef CLIENT
            let own = draw(0u, vec3<u32>(p.n0, p.n1, p.n2), at);
            var product = part8(own, 0u);
            var beta = part8(own, 1u);
#else
            var product = unpack8_dealt(2u * at);
            var beta = unpack8_dealt(2u * at + 1u);
#endif
            let q = ~(bits[at / 4u] >> (8u * (at % 4u)));
            var a = pairs8_delta(at, 0u);
            var b = pairs8_delta(at, second);
            var x = pairs8_lam(at, 0u);
            var y = pairs8_lam(at, second);
            var mask = part8(masks, part);
#each i 8
            {
                let d = r_sub(a[%i], b[%i]);
                let whole = r_sub(r_and(d, public_part), r_sub(x[%i], y[%i]));
                let selected = r_sub(r_mul(d, beta[%i]), product[%i]);
                let on = r_neg(r_of((q >> %iu) & 1u));
                // selected, or where q is 1 whole - selected.
                let gain = r_add(r_sub(r_xor(selected, on), on), r_and(whole, on));
                let base = r_sub(r_and(b[%i], public_part), y[%i]);
                mask[%i] = r_low(mask[%i], K);
                a[%i] = r_add(r_add(base, gain), mask[%i]);
                if (at * 8u + %iu >= p.n) { a[%i] = r_zero(); }
            }
#end
            store8_out(at, mask);
            pack8(a, at);
        }
    }
}
