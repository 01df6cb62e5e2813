// A thread's tile of a product: 8 rows by 4 columns, by 8 columns with WIDE, all in registers, no shared memory and no
// barrier. Software adapters pay for loads, so every loaded element is used 4 or 8 times; with SHARED the 8 threads of
// a subgroup have the same columns and each loads an eighth of the panel for all.
//
// Needs `a`, `b` and `out` (arrays of V; `a` of E with SCALAR, `out` of E with RAGGED), and in `p`: m, n, out_row,
// out_col, subtract. `b` is in panels [columns / width][1 + k][width], row 0 the value to start from.
#import element

var<private> c: array<E4, 8>;
#ifdef WIDE
var<private> d: array<E4, 8>;
#endif

// Quad i of the panels.
fn load_b(i: u32) -> E4 {
#ifdef F32
    return b[i];
#else
#ifdef NATIVE
    return b[i];
#else
    return e4_pair(b[2u * i], b[2u * i + 1u]);
#endif
#endif
}

#ifdef SCALAR
fn load_a(i: u32) -> E { return a[i]; }
#else
// Elements i to i + 3; i is a multiple of 4.
fn load_a(i: u32) -> E4 {
#ifdef F32
    return a[i >> 2u];
#else
#ifdef NATIVE
    return a[i >> 2u];
#else
    return e4_pair(a[i >> 1u], a[(i >> 1u) + 1u]);
#endif
#endif
}
#endif

#ifdef SHARED
// Which of the quads of four rows of the panel this thread loads for its subgroup.
var<private> lane: u32;
#endif

// Every row starts from the panel's row 0.
fn start(at: u32) {
    let s = load_b(at);
    c[0] = s; c[1] = s; c[2] = s; c[3] = s; c[4] = s; c[5] = s; c[6] = s; c[7] = s;
#ifdef WIDE
    let t = load_b(at + 1u);
    d[0] = t; d[1] = t; d[2] = t; d[3] = t; d[4] = t; d[5] = t; d[6] = t; d[7] = t;
#endif
}

// One row of the panel, quads s and t, against one column of `a`.
fn step(s: E4, t: E4, x0: E, x1: E, x2: E, x3: E, x4: E, x5: E, x6: E, x7: E) {
    c[0] = e4_mac(c[0], x0, s);
    c[1] = e4_mac(c[1], x1, s);
    c[2] = e4_mac(c[2], x2, s);
    c[3] = e4_mac(c[3], x3, s);
    c[4] = e4_mac(c[4], x4, s);
    c[5] = e4_mac(c[5], x5, s);
    c[6] = e4_mac(c[6], x6, s);
    c[7] = e4_mac(c[7], x7, s);
#ifdef WIDE
    d[0] = e4_mac(d[0], x0, t);
    d[1] = e4_mac(d[1], x1, t);
    d[2] = e4_mac(d[2], x2, t);
    d[3] = e4_mac(d[3], x3, t);
    d[4] = e4_mac(d[4], x4, t);
    d[5] = e4_mac(d[5], x5, t);
    d[6] = e4_mac(d[6], x6, t);
    d[7] = e4_mac(d[7], x7, t);
#endif
}

#ifdef WIDE
const QUADS: u32 = 2u;
#else
const QUADS: u32 = 1u;
#endif

// Four rows of the panel against four columns of `a`.
#ifdef SHARED
fn steps(at: u32, x0: E4, x1: E4, x2: E4, x3: E4, x4: E4, x5: E4, x6: E4, x7: E4) {
    let q = load_b(at + lane);
#ifdef WIDE
    step(e4_from0(q), e4_from1(q), e4_x(x0), e4_x(x1), e4_x(x2), e4_x(x3), e4_x(x4), e4_x(x5), e4_x(x6), e4_x(x7));
    step(e4_from2(q), e4_from3(q), e4_y(x0), e4_y(x1), e4_y(x2), e4_y(x3), e4_y(x4), e4_y(x5), e4_y(x6), e4_y(x7));
    step(e4_from4(q), e4_from5(q), e4_z(x0), e4_z(x1), e4_z(x2), e4_z(x3), e4_z(x4), e4_z(x5), e4_z(x6), e4_z(x7));
    step(e4_from6(q), e4_from7(q), e4_w(x0), e4_w(x1), e4_w(x2), e4_w(x3), e4_w(x4), e4_w(x5), e4_w(x6), e4_w(x7));
#else
    step(e4_from0(q), q, e4_x(x0), e4_x(x1), e4_x(x2), e4_x(x3), e4_x(x4), e4_x(x5), e4_x(x6), e4_x(x7));
    step(e4_from1(q), q, e4_y(x0), e4_y(x1), e4_y(x2), e4_y(x3), e4_y(x4), e4_y(x5), e4_y(x6), e4_y(x7));
    step(e4_from2(q), q, e4_z(x0), e4_z(x1), e4_z(x2), e4_z(x3), e4_z(x4), e4_z(x5), e4_z(x6), e4_z(x7));
    step(e4_from3(q), q, e4_w(x0), e4_w(x1), e4_w(x2), e4_w(x3), e4_w(x4), e4_w(x5), e4_w(x6), e4_w(x7));
#endif
}
#else
fn steps(at: u32, x0: E4, x1: E4, x2: E4, x3: E4, x4: E4, x5: E4, x6: E4, x7: E4) {
#ifdef WIDE
    step(load_b(at + 0u), load_b(at + 1u),
        e4_x(x0), e4_x(x1), e4_x(x2), e4_x(x3), e4_x(x4), e4_x(x5), e4_x(x6), e4_x(x7));
    step(load_b(at + 2u), load_b(at + 3u),
        e4_y(x0), e4_y(x1), e4_y(x2), e4_y(x3), e4_y(x4), e4_y(x5), e4_y(x6), e4_y(x7));
    step(load_b(at + 4u), load_b(at + 5u),
        e4_z(x0), e4_z(x1), e4_z(x2), e4_z(x3), e4_z(x4), e4_z(x5), e4_z(x6), e4_z(x7));
    step(load_b(at + 6u), load_b(at + 7u),
        e4_w(x0), e4_w(x1), e4_w(x2), e4_w(x3), e4_w(x4), e4_w(x5), e4_w(x6), e4_w(x7));
#else
    let s0 = load_b(at + 0u);
    step(s0, s0, e4_x(x0), e4_x(x1), e4_x(x2), e4_x(x3), e4_x(x4), e4_x(x5), e4_x(x6), e4_x(x7));
    let s1 = load_b(at + 1u);
    step(s1, s1, e4_y(x0), e4_y(x1), e4_y(x2), e4_y(x3), e4_y(x4), e4_y(x5), e4_y(x6), e4_y(x7));
    let s2 = load_b(at + 2u);
    step(s2, s2, e4_z(x0), e4_z(x1), e4_z(x2), e4_z(x3), e4_z(x4), e4_z(x5), e4_z(x6), e4_z(x7));
    let s3 = load_b(at + 3u);
    step(s3, s3, e4_w(x0), e4_w(x1), e4_w(x2), e4_w(x3), e4_w(x4), e4_w(x5), e4_w(x6), e4_w(x7));
#endif
}
#endif

#ifdef RAGGED
fn put(i: u32, inside: bool, v: E) {
    if (inside) {
#ifdef ACCUMULATE
        let old = out[i];
        if (p.subtract == 1u) { out[i] = e_sub(old, v); } else { out[i] = e_add(old, v); }
#else
        out[i] = v;
#endif
    }
}

fn put4(base: u32, row: u32, col: u32, v: E4) {
    let i = base + row * p.out_row + col * p.out_col;
    let inside = row < p.m;
    put(i, inside && col < p.n, e4_x(v));
    put(i + p.out_col, inside && col + 1u < p.n, e4_y(v));
    put(i + 2u * p.out_col, inside && col + 2u < p.n, e4_z(v));
    put(i + 3u * p.out_col, inside && col + 3u < p.n, e4_w(v));
}
#else
// Quad i of `out`.
fn load_out(i: u32) -> E4 {
#ifdef F32
    return out[i];
#else
#ifdef NATIVE
    return out[i];
#else
    return e4_pair(out[2u * i], out[2u * i + 1u]);
#endif
#endif
}

fn store_out(i: u32, v: E4) {
#ifdef F32
    out[i] = v;
#else
#ifdef NATIVE
    out[i] = v;
#else
    out[2u * i] = vec4<u32>(v.lo.x, v.hi.x, v.lo.y, v.hi.y);
    out[2u * i + 1u] = vec4<u32>(v.lo.z, v.hi.z, v.lo.w, v.hi.w);
#endif
#endif
}

fn put4(base: u32, row: u32, col: u32, v: E4) {
    if (row >= p.m || col >= p.n) { return; }
    let i = (base + row * p.out_row + col) >> 2u;
#ifdef ACCUMULATE
    if (p.subtract == 1u) { store_out(i, e4_sub(load_out(i), v)); } else { store_out(i, e4_add(load_out(i), v)); }
#else
    store_out(i, v);
#endif
}
#endif

// Writes what is inside the matrix of the tile at (row, col).
fn finish(base: u32, row: u32, col: u32) {
    put4(base, row, col, c[0]);
    put4(base, row + 1u, col, c[1]);
    put4(base, row + 2u, col, c[2]);
    put4(base, row + 3u, col, c[3]);
    put4(base, row + 4u, col, c[4]);
    put4(base, row + 5u, col, c[5]);
    put4(base, row + 6u, col, c[6]);
    put4(base, row + 7u, col, c[7]);
#ifdef WIDE
    put4(base, row, col + 4u, d[0]);
    put4(base, row + 1u, col + 4u, d[1]);
    put4(base, row + 2u, col + 4u, d[2]);
    put4(base, row + 3u, col + 4u, d[3]);
    put4(base, row + 4u, col + 4u, d[4]);
    put4(base, row + 5u, col + 4u, d[5]);
    put4(base, row + 6u, col + 4u, d[6]);
    put4(base, row + 7u, col + 4u, d[7]);
#endif
}
