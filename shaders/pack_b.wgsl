// Panels of a matrix b (k x n): out[z][column / width][1 + k rounded up to 4][width], zero outside; row 0 of a panel is
// what a product starts from, zero, with BIAS bias[column]. Element (z, k, c) of b is at
//   offset + (z / inner) * outer + (z % inner) * step + (k / k_inner) * k_outer + (k % k_inner) * k_step + c * col
// Elements only move, so a ring word is vec2<u32> in both forms. One thread per element of `out`.
struct Params {
    total: u32, k: u32, n: u32, rows: u32, width: u32, tiles_n: u32,
    offset: u32, inner: u32, outer: u32, step: u32, k_inner: u32, k_outer: u32, k_step: u32, col: u32,
}
#ifdef F32
alias E = f32;
#else
alias E = vec2<u32>;
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> b: array<E>; // strided
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<E>; // [n]
#endif
@group(0) @binding(3) var<storage, read_write> out: array<E>; // [total], rows = 1 + k rounded up to 4
#import thread

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.total) { return; }
    let line = t / p.width;
    let panel = line / p.rows;
    let z = panel / p.tiles_n;
    let row = line % p.rows;
    let c = (panel % p.tiles_n) * p.width + t % p.width;
    var v = E();
    if (c < p.n) {
        if (row == 0u) {
#ifdef BIAS
            v = bias[c];
#endif
        } else if (row <= p.k) {
            let k = row - 1u;
            v = b[p.offset + (z / p.inner) * p.outer + (z % p.inner) * p.step
                + (k / p.k_inner) * p.k_outer + (k % p.k_inner) * p.k_step + c * p.col];
        }
    }
    out[t] = v;
}
