// out[z] = a[z] (m x k) * b[z] (k x n), added to or subtracted from out with ACCUMULATE. Matrices are strided, in
// elements: matrix z starts at offset + (z / inner) * outer + (z % inner) * step. Bindings may be windows: offsets count
// from the window, modulo 2^32, and batches from `first`. One thread per tile; neighbouring threads differ in the row,
// with `across` in the column.
struct Params {
    m: u32, n: u32, k: u32, tiles_m: u32, tiles_n: u32, batches: u32, across: u32, subtract: u32,
    first: u32, b_first: u32, panel: u32, b_step: u32,
    a_offset: u32, a_inner: u32, a_outer: u32, a_step: u32, a_row: u32, a_col: u32,
    out_offset: u32, out_inner: u32, out_outer: u32, out_step: u32, out_row: u32, out_col: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
#ifdef SCALAR
@group(0) @binding(1) var<storage, read> a: array<E>; // strided [batches][m][k]
#else
@group(0) @binding(1) var<storage, read> a: array<V>; // strided [batches][m][k], every stride a multiple of 4, a_col 1
#endif
@group(0) @binding(2) var<storage, read> b: array<W>; // panels [batches or 1][tiles_n][1 + k rounded up to 4][width]
#ifdef RAGGED
@group(0) @binding(3) var<storage, read_write> out: array<E>; // strided [batches][m][n]
#else
@group(0) @binding(3) var<storage, read_write> out: array<V>; // the same, strides and n multiples of 4, out_col 1
#endif
#import thread
#import tile

#ifdef SCALAR
// DEPTH elements of a row of `a`; beyond k the panel holds zeros, so any element does.
fn some(base: u32, k: u32) -> X {
    var v: array<E, DEPTH>;
#each i DEPTH
    v[%i] = a[base + min(k + %iu, p.k - 1u) * p.a_col];
#end
    return x_make(v);
}
#else
fn some(base: u32, k: u32) -> X { return x_load(a[(base + k) / DEPTH]); }
#endif

@compute @workgroup_size(64)
#ifdef SHARED
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(subgroup_invocation_id) id: u32) {
    lane = id;
#else
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
#endif
    let t = thread(gid);
    let tiles = p.tiles_m * p.tiles_n;
    let batch = t / tiles;
    if (batch >= p.batches) { return; }
    let i = t - batch * tiles;
    var tile = vec2<u32>(i % p.tiles_m, i / p.tiles_m);
    if (p.across == 1u) { tile = vec2<u32>(i / p.tiles_n, i % p.tiles_n); }
    let row = tile.x * ROWS;
    let last = p.m - 1u;
    let z = p.first + batch;
    let base = p.a_offset + (z / p.a_inner) * p.a_outer + (z % p.a_inner) * p.a_step;
#each r ROWS
    let r%r = base + min(row + %ru, last) * p.a_row;
#end
    var at = p.b_first + batch * p.b_step + tile.y * p.panel;
    start(at);
    at += HEAD * QUADS;
    // Parameters lie in memory: read once, not in every iteration.
    let depth = p.k;
    for (var k = 0u; k < depth; k += DEPTH) {
#each r ROWS
        let x%r = some(r%r, k);
#end
        panel(at);
#each r ROWS
        row%r(x%r);
#end
        at += DEPTH * QUADS;
    }
    finish(p.out_offset + (z / p.out_inner) * p.out_outer + (z % p.out_inner) * p.out_step, row, tile.y * 4u * QUADS);
}
