// For tests only: every function of the ring preludes on a[i], b[i], c[i] and s[i], one row of `out` each, in this order.
// s is below 64. One thread per element.
struct Params { n: u32, constant: vec2<u32> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<R>; // [n]
@group(0) @binding(2) var<storage, read> b: array<R>; // [n]
@group(0) @binding(3) var<storage, read> c: array<R>; // [n]
@group(0) @binding(4) var<storage, read> s: array<u32>; // [n]
@group(0) @binding(5) var<storage, read_write> out: array<R>; // [rows][n]
#import thread
#import ring

var<private> row: u32 = 0u;
fn put(t: u32, v: R) {
    out[row * p.n + t] = v;
    row++;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let x = a[t];
    let y = b[t];
    let z = c[t];
    let k = s[t];
    put(t, r_zero());
    put(t, r_param(p.constant));
    put(t, r_make(r_lo(x), r_hi(y)));
    put(t, r_of(r_hi(x)));
    put(t, r_of_i32(bitcast<i32>(r_lo(x))));
    put(t, r_add(x, y));
    put(t, r_sub(x, y));
    put(t, r_neg(x));
    put(t, r_mul(x, y));
    put(t, r_mac(x, y, z));
    put(t, r_and(x, y));
    put(t, r_xor(x, y));
    put(t, r_shl(x, k));
    put(t, r_shr(x, k));
    put(t, r_low(x, k + 1u));
    put(t, r_of(r_bit(x, k)));
    put(t, r_of(select(0u, 1u, r_less(x, y))));
    // Both sides of the ring's laws.
    put(t, r_add(r_add(x, y), z));
    put(t, r_add(x, r_add(y, z)));
    put(t, r_mul(r_mul(x, y), z));
    put(t, r_mul(x, r_mul(y, z)));
    put(t, r_mul(x, r_add(y, z)));
    put(t, r_add(r_mul(x, y), r_mul(x, z)));
    put(t, r_sub(x, y));
    put(t, r_add(x, r_neg(y)));
    put(t, r_shl(x, k));
    put(t, r_mul(x, r_shl(r_of(1u), k)));
    put(t, r_sub(x, r_low(x, k + 1u)));
    put(t, r_shl(r_shl(r_shr(r_shr(x, k), 1u), k), 1u));
}
