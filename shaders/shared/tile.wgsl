// A thread's tile of a product, all in registers, no shared memory and no barrier: 8 rows by 4 columns, with WIDE 8 by 8,
// with BROAD 4 by 16. Software adapters pay for loads, so every loaded element is used 4 to 16 times; with SHARED the 8
// threads of a subgroup have the same columns and each loads an eighth of the panel for all.
//
// Needs `a` and `out` (arrays of V; `a` of E with SCALAR, `out` of E with RAGGED) and `b` (array of W), and in `p`: m, n,
// out_row, out_col, subtract. `b` is in panels [columns / width][1 + k][width], row 0 the value to start from.
#import element

#ifdef BROAD
const ROWS: u32 = 4u;
const QUADS: u32 = 4u;
#else
const ROWS: u32 = 8u;
#ifdef WIDE
const QUADS: u32 = 2u;
#else
const QUADS: u32 = 1u;
#endif
#endif

// Four columns of `a`, a row of the panel, and the sums.
var<private> x: array<E4, ROWS>;
var<private> s: array<B4, QUADS>;
#each q QUADS
var<private> c%q: array<C, ROWS>;
#end

#ifdef SCALAR
fn load_a(i: u32) -> E { return a[i]; }
#else
// Elements i to i + 3; i is a multiple of 4.
fn load_a(i: u32) -> E4 {
#ifdef F32
    return e4_load(a[i >> 2u]);
#else
#ifdef NATIVE
    return a[i >> 2u];
#else
    return e4_pair(a[i >> 1u], a[(i >> 1u) + 1u]);
#endif
#endif
}
#endif

// Every row starts from the panel's row 0. `at` counts W, also below.
fn start(at: u32) {
#each q QUADS
    let h%q = e4_start(load_head(at / HEAD + %qu));
#each r ROWS
    c%q[%r] = h%q;
#end
#end
}

// One row of the panel against column i of `x`.
#each i 4
fn step%i() {
#each r ROWS
    let x%r = e4_%i(x[%r]);
#each q QUADS
    c%q[%r] = e4_mac(c%q[%r], x%r, s[%q]);
#end
#end
}
#end

// Four rows of the panel against `x`.
#ifdef SHARED
// Which of the panel's quads this thread loads for its subgroup.
var<private> lane: u32;

#ifdef BROAD
fn steps(at: u32) {
    let u = load_b(at + lane);
    s[0] = b4_from0(u); s[1] = b4_from1(u); s[2] = b4_from2(u); s[3] = b4_from3(u);
    step0();
    s[0] = b4_from4(u); s[1] = b4_from5(u); s[2] = b4_from6(u); s[3] = b4_from7(u);
    step1();
    let v = load_b(at + 8u + lane);
    s[0] = b4_from0(v); s[1] = b4_from1(v); s[2] = b4_from2(v); s[3] = b4_from3(v);
    step2();
    s[0] = b4_from4(v); s[1] = b4_from5(v); s[2] = b4_from6(v); s[3] = b4_from7(v);
    step3();
}
#else
fn steps(at: u32) {
    let u = load_b(at + lane % (4u * QUADS));
#ifdef WIDE
    s[0] = b4_from0(u); s[1] = b4_from1(u);
    step0();
    s[0] = b4_from2(u); s[1] = b4_from3(u);
    step1();
    s[0] = b4_from4(u); s[1] = b4_from5(u);
    step2();
    s[0] = b4_from6(u); s[1] = b4_from7(u);
    step3();
#else
#each i 4
    s[0] = b4_from%i(u);
    step%i();
#end
#endif
}
#endif
#else
fn steps(at: u32) {
#each i 4
#each q QUADS
    s[%q] = load_b(at + %iu * QUADS + %qu);
#end
    step%i();
#end
}
#endif
#import tile_out

// Writes what is inside the matrix of the tile at (row, col).
fn finish(base: u32, row: u32, col: u32) {
#each q QUADS
#each r ROWS
    put4(base, row + %ru, col + 4u * %qu, e4_end(c%q[%r]));
#end
#end
}
