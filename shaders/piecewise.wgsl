// Share of y = sum over segments s of ind_s P_s(x) for a masked wire x = u - M (protocol "piecewise"), degree DEGREE:
//   P_s(u - M) = sum over i of c_(s,i)(u) (-M)^i, c_(s,i) the Taylor coefficients at the public u,
//   ind_s = q ^ beta_s = q + (1 - 2 q) beta_s, q public; shares of M^i, beta_s and beta_s M^i are dealt.
// Dealt words, [word][n]: M^i for i from 2, then for each segment beta_s M^i for i from 1 and beta_s. The own share of the
// mask is one of M. With ALWAYS there is one segment, which is on everywhere, with ONE there is one that is selected.
// With WIDE the result's ring is larger than the wire's, and M is the mask, reduced mod 2^k, or, where the top bit of d is
// clear, its signed reading M - 2^k t; `change`, [word][n], has first what the sum of the parties' shares of the mask exceeds
// M by, over 2^k, then ((M - 2^k t)^i - M^i) / 2^k, alone and then times each beta_s.
// CLIENT draws what is dealt, the server has the dealer's messages, in K bits a word and S bits a word of `change`. Sections of
// words that share blocks of the client's stream (`gpu/wire.rs`): those for all segments, with ONE the segment's too, and else
// those of each segment.
// With ADD, y is added to `sum`; with CUT, out = ((y + add) mod 2^ring) >> cut. One thread handles 8 elements; n is a multiple of 8.
struct Params {
    n: u32, k: u32, first: u32,
#import piecewise_params
#ifdef CUT
    ring: u32, cut: u32, add: vec2<u32>,
#endif
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<V>; // [n]
#ifdef ALWAYS
#else
@group(0) @binding(2) var<storage, read> bits: array<u32>; // opened bits [n / 32 rounded up][levels]
#import segment
#import sections
#endif
@group(0) @binding(3) var<storage, read> table: array<R>; // [segments][3 + DEGREE]: first bit, second bit, coefficients
#ifdef CLIENT
@group(0) @binding(4) var<storage, read> keys: array<vec4<u32>>;
#endif
#ifdef SERVER
#ifdef WORDS
@group(0) @binding(4) var<storage, read> dealt: array<Packed_dealt>; // packed [words][n]
#endif
#ifdef WIDE
@group(0) @binding(5) var<storage, read> change: array<Packed_change>; // packed [words][n]
#endif
#endif
@group(0) @binding(6) var<storage, read> lam: array<V>; // [n] own share of the mask
@group(0) @binding(7) var<storage, read_write> out: array<V>; // [n]
#ifdef ADD
@group(0) @binding(8) var<storage, read> sum: array<V>; // [n]
#import load8(sum)
#endif
#import thread
#import degree
#ifdef WORDS
#import dealt(dealt)
#endif
#ifdef WIDE
#import dealt(change S)
#endif
#import load8(delta)
#import load8(lam)
#import store8(out)
alias R8 = array<R, 8>;

fn coefficients(row: u32) -> Coefficients {
    var a: Coefficients;
#each j DEGREE
    a[%j] = table[row + 2u + %ju];
#end
    a[DEGREE] = table[row + 2u + DEGREE];
    return a;
}

// v + c (-M)^i for the share m of M^i; i is odd or even.
fn term(v: R, c: R, m: R, odd: bool) -> R {
    let t = r_mul(c, m);
    if (odd) { return r_sub(v, t); }
    return r_add(v, t);
}

// Loops over elements and powers are written out: software adapters keep the arrays of a loop in memory.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    let groups = p.n >> 3u;
    let public_part = r_neg(r_of(p.first));
    var u = load8_delta(t);
    var m: array<R8, DEGREE>;
    m[0] = load8_lam(t);
#ifdef WORDS
    start_dealt(t);
#endif
#each j HIGHER
    m[%j + 1] = dealt8_dealt(%ju, groups);
#end
#ifdef WIDE
    let h = r_shl(r_of(1u), p.k - 2u);
    var low: R8;
#each i 8
    {
        let d = r_low(r_add(u[%i], h), p.k);
        low[%i] = r_neg(r_of(1u - r_bit(d, p.k - 1u)));
        u[%i] = r_sub(d, h);
    }
#end
    start_change(t);
    var carry = dealt8_change(0u, groups);
#each i 8
    m[0][%i] = r_sub(m[0][%i], r_shl(carry[%i], p.k));
#end
#each j DEGREE
    {
        var b = dealt8_change(%ju + 1u, groups);
#each i 8
        m[%j][%i] = r_add(m[%j][%i], r_and(r_shl(b[%i], p.k), low[%i]));
#end
    }
#end
#endif
#ifdef ADD
    var y = load8_sum(t);
#else
    var y: R8;
#each i 8
    y[%i] = r_zero();
#end
#endif
#ifdef ALWAYS
    let a = coefficients(0u);
#each i 8
    {
        let c = taylor(a, u[%i]);
        var v = r_add(y[%i], r_and(c[0], public_part));
#each j DEGREE
        v = term(v, c[%j + 1], m[%j][%i], %ju % 2u == 0u);
#end
        y[%i] = v;
    }
#end
#else
#ifdef ONE
    {
        let s = 0u;
#else
    for (var s = 0u; s < p.segments; s++) {
#endif
        let row = s * (3u + DEGREE);
        let q = indicator(r_lo(table[row]), r_lo(table[row + 1u]), 8u * t);
        let a = coefficients(row);
        var b: array<R8, DEGREE>;
#each j DEGREE
        {
            b[%j] = dealt8_dealt(SELECTED + %ju, groups);
#ifdef WIDE
            var w = dealt8_change(CHANGED + %ju, groups);
#each i 8
            b[%j][%i] = r_add(b[%j][%i], r_and(r_shl(w[%i], p.k), low[%i]));
#end
#endif
        }
#end
        var beta = dealt8_dealt(SELECTED + DEGREE, groups);
#each i 8
        {
            let c = taylor(a, u[%i]);
            var whole = r_and(c[0], public_part);
            var part = r_mul(c[0], beta[%i]);
#each j DEGREE
            whole = term(whole, c[%j + 1], m[%j][%i], %ju % 2u == 0u);
            part = term(part, c[%j + 1], b[%j][%i], %ju % 2u == 0u);
#end
            let on = r_neg(r_of((q >> %iu) & 1u));
            // part, or where q is 1 whole - part.
            y[%i] = r_add(y[%i], r_add(r_sub(r_xor(part, on), on), r_and(whole, on)));
        }
#end
    }
#endif
#ifdef CUT
#each i 8
    y[%i] = r_shr(r_low(r_add(y[%i], r_param(p.add)), p.ring), p.cut);
#end
#endif
    store8_out(t, y);
}
