// Dealer's words for piecewise.wgsl, in its order, from the wire's mask and the masks of the comparison's bits, less the
// client's streams, in K bits a word and S bits a word of `change`. One thread handles 8 elements; n is a multiple of 8.
struct Params {
    n: u32, k: u32,
#import piecewise_params
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lam: array<V>; // [n]
#ifdef ALWAYS
#else
@group(0) @binding(2) var<storage, read> bits: array<u32>; // masks of bits [n / 32 rounded up][levels]
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + DEGREE]
#import segment
#import sections
#endif
@group(0) @binding(4) var<storage, read> keys: array<vec4<u32>>;
#ifdef WORDS
@group(0) @binding(5) var<storage, read_write> dealt: array<Packed_dealt>; // packed [words][n]
#endif
#ifdef WIDE
@group(0) @binding(6) var<storage, read_write> change: array<Packed_change>; // packed [words][n]
#endif
#import thread
#import degree
#ifdef WORDS
#import deal(dealt)
#endif
#ifdef WIDE
#import deal(change S)
#endif
#import load8(lam)
alias R8 = array<R, 8>;

#ifdef ALWAYS
#else
// Of eight elements from element t on, for threshold b.
fn beta(b: u32, t: u32) -> u32 {
    if (b == NONE) { return 0u; }
    return opened(b, t);
}

fn masked(v: R8, on: R8) -> R8 {
    var a = v;
    var b = on;
#each i 8
    a[%i] = r_and(a[%i], b[%i]);
#end
    return a;
}
#endif

// Loops over elements and powers are written out: software adapters keep the arrays of a loop in memory.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let groups = p.n >> 3u;
    var m: array<R8, DEGREE>;
    m[0] = load8_lam(t);
#ifdef WIDE
    var carry = m[0];
#each i 8
    carry[%i] = r_shr(carry[%i], p.k);
#end
    start_change(t);
    deal8_change(carry, 0u, groups);
#endif
#each i 8
    m[0][%i] = r_low(m[0][%i], p.k);
#end
#each j HIGHER
#each i 8
    m[%j + 1][%i] = r_mul(m[%j][%i], m[0][%i]);
#end
#end
#ifdef WIDE
    // With a = M, b = M - 2^k t: (b^j - a^j) / 2^k = b (b^(j-1) - a^(j-1)) / 2^k - t a^(j-1).
    var w: array<R8, DEGREE>;
#each i 8
    {
        let top = r_neg(r_of(r_bit(m[0][%i], p.k - 1u)));
        let b = r_sub(m[0][%i], r_and(r_shl(r_of(1u), p.k), top));
        w[0][%i] = top;
#each j HIGHER
        w[%j + 1][%i] = r_sub(r_mul(b, w[%j][%i]), r_and(m[%j][%i], top));
#end
    }
#end
#each j DEGREE
    deal8_change(w[%j], %ju + 1u, groups);
#end
#endif
#ifdef WORDS
    start_dealt(t);
#endif
#each j HIGHER
    deal8_dealt(m[%j + 1], %ju, groups);
#end
#ifdef ALWAYS
#else
#ifdef ONE
    {
        let s = 0u;
#else
    for (var s = 0u; s < p.segments; s++) {
#endif
        let b0 = r_lo(table[s * (3u + DEGREE)]);
        let b1 = r_lo(table[s * (3u + DEGREE) + 1u]);
        let bit = beta(b0, 8u * t) ^ beta(b1, 8u * t);
        var v: R8;
        var on: R8;
#each i 8
        v[%i] = r_of((bit >> %iu) & 1u);
        on[%i] = r_neg(v[%i]);
#end
#each j DEGREE
        deal8_dealt(masked(m[%j], on), SELECTED + %ju, groups);
#ifdef WIDE
        deal8_change(masked(w[%j], on), CHANGED + %ju, groups);
#endif
#end
        deal8_dealt(v, SELECTED + DEGREE, groups);
    }
#endif
}
