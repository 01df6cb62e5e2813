// Panels of a matrix b (k x n): out[z][column / width][1 + k rounded up to 4][width], zero outside; row 0 of a panel is
// what a product starts from, zero, with BIAS bias[column]. Element (z, k, c) of b is at
//   offset + (z / inner) * outer + (z % inner) * step + (k / k_inner) * k_outer + (k % k_inner) * k_step + c * col
// Row 0 holds whole elements; the others signed integers of 32 or 16 bits with I32, I16, which the elements must fit.
// Elements only move, so a ring word is vec2<u32> in both forms. Bindings may be windows: offsets count from the window,
// modulo 2^32. One thread per row of a panel, because software adapters divide lane by lane: where a row begins takes more
// time than its elements. `rows` threads: `lines` rows from `line` on of the panels from `panel` on.
struct Params {
    rows: u32, lines: u32, line: u32, panel: u32, k: u32, n: u32, width: u32, tiles_n: u32, panel_words: u32,
    offset: u32, inner: u32, outer: u32, step: u32, k_inner: u32, k_outer: u32, k_step: u32, col: u32, out_offset: u32,
}
#ifdef F32
alias E = u32;
const WORDS: u32 = 1u;
#else
alias E = vec2<u32>;
const WORDS: u32 = 2u;
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> b: array<E>; // strided
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<E>; // [n]
#endif
@group(0) @binding(3) var<storage, read_write> out: array<u32>; // panels of panel_words words
#import thread

// Element of a panel, zero outside the matrix; its row of b begins at `from`.
fn value(row: u32, begin: u32, c: u32) -> E {
    if (c >= p.n || row > p.k) { return E(); }
    if (row == 0u) {
#ifdef BIAS
        return bias[c];
#else
        return E();
#endif
    }
    return b[begin + c * p.col];
}

fn put(at: u32, v: E) {
#ifdef F32
    out[at] = v;
#else
    out[at] = v.x;
    out[at + 1u] = v.y;
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.rows) { return; }
    let nth = t / p.lines;
    let row = p.line + t - nth * p.lines;
    let panel = p.panel + nth;
    let z = panel / p.tiles_n;
    let first = (panel - z * p.tiles_n) * p.width;
    let group = z / p.inner;
    let k = max(row, 1u) - 1u;
    let round = k / p.k_inner;
    let begin = p.offset + group * p.outer + (z - group * p.inner) * p.step
        + round * p.k_outer + (k - round * p.k_inner) * p.k_step;
    let base = p.out_offset + panel * p.panel_words;
    for (var i = 0u; i < p.width; i += 2u) {
        let u = value(row, begin, first + i);
        let v = value(row, begin, first + i + 1u);
#ifdef I32
        if (row > 0u) {
            let at = base + (row + 1u) * p.width + i;
            out[at] = u.x;
            out[at + 1u] = v.x;
            continue;
        }
#endif
#ifdef I16
        if (row > 0u) {
            out[base + ((row + 3u) * p.width + i) / 2u] = (u.x & 0xffffu) | (v.x << 16u);
            continue;
        }
#endif
        let at = base + (row * p.width + i) * WORDS;
        put(at, u);
        put(at + WORDS, v);
    }
}
