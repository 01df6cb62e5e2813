// A thread's tile of a product, all in registers, no shared memory and no barrier: 8 rows by 4 columns, with WIDE 8 by 8,
// with BROAD 4 by 16. Software adapters pay for loads, so every loaded element is used 4 to 16 times; with SHARED the 8
// threads of a subgroup have the same columns and each loads an eighth of the panel for all.
//
// Needs `a` and `out` (arrays of V; `a` of E with SCALAR, `out` of E with RAGGED) and `b` (array of W), and in `p`: m, n,
// out_row, out_col, subtract. `b` is in panels [columns / width][1 + k][width], row 0 the value to start from.
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
#import element

// The sums, and DEPTH rows of the panel, a quad of columns each.
#each q QUADS
var<private> c%q: array<C, ROWS>;
var<private> s%q: array<B4, DEPTH>;
#end

// Every row starts from the panel's row 0. `at` counts W, also below.
fn start(at: u32) {
#each q QUADS
    let h%q = e4_start(load_head(at / HEAD + %qu));
#each r ROWS
    c%q[%r] = h%q;
#end
#end
}

// DEPTH rows of the panel, for `row` below.
#ifdef SHARED
// Which of the panel's quads this thread loads for its subgroup.
var<private> lane: u32;

fn panel(at: u32) {
    var u: array<B4, 2>;
    u[0] = load_b(at + lane % (DEPTH * QUADS));
    if (DEPTH * QUADS > 8u) { u[1] = load_b(at + 8u + lane); }
#each i DEPTH
#each q QUADS
    s%q[%i] = b4_%i_%q(u[(%iu * QUADS + %qu) / 8u]);
#end
#end
}
#else
fn panel(at: u32) {
#each i DEPTH
#each q QUADS
    s%q[%i] = load_b(at + %iu * QUADS + %qu);
#end
#end
}
#endif

// DEPTH columns of a row of `a` against them: a sum takes all before the next begins, so that it stays in a register.
#each r ROWS
fn row%r(x: X) {
#each q QUADS
    c%q[%r] = e4_dot(c%q[%r], x, s%q);
#end
}
#end
#import tile_out

// Writes what is inside the matrix of the tile at (row, col).
fn finish(base: u32, row: u32, col: u32) {
    let e = edge();
#each r ROWS
#each q QUADS
    put4(e, base, row + %ru, col + 4u * %qu, e4_end(c%q[%r]));
#end
#end
}
