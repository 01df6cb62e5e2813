// Writing four neighbours of a product; see tile.wgsl. Parameters lie in memory: read once for a tile, not at every quad.
#ifdef NATIVE
#import whole
#endif
struct Edge { m: u32, n: u32, row: u32, col: u32, subtract: u32 }
fn edge() -> Edge { return Edge(p.m, p.n, p.out_row, p.out_col, p.subtract); }
#ifdef RAGGED
fn put(e: Edge, i: u32, inside: bool, v: E) {
    if (inside) {
#ifdef ACCUMULATE
        let old = out[i];
        if (e.subtract == 1u) { out[i] = e_sub(old, v); } else { out[i] = e_add(old, v); }
#else
        out[i] = v;
#endif
    }
}

fn put4(e: Edge, base: u32, row: u32, col: u32, v: E4) {
    let i = base + row * e.row + col * e.col;
    let inside = row < e.m;
    put(e, i, inside && col < e.n, e4_0(v));
    put(e, i + e.col, inside && col + 1u < e.n, e4_1(v));
    put(e, i + 2u * e.col, inside && col + 2u < e.n, e4_2(v));
    put(e, i + 3u * e.col, inside && col + 3u < e.n, e4_3(v));
}
#else
// Quad i of `out`.
fn load_out(i: u32) -> E4 {
#ifdef F32
    return e4_load(out[i]);
#else
#ifdef NATIVE
    return out[i];
#else
    return e4_pair(out[2u * i], out[2u * i + 1u]);
#endif
#endif
}

// The quad at element `at`; words are kept whole.
fn store_out(at: u32, v: E4) {
    let i = at >> 2u;
#ifdef F32
    out[i] = e4_store(v);
#else
#ifdef NATIVE
    let none = beyond(at);
    out[i] = e4_make(r_whole(v.x, none), r_whole(v.y, none), r_whole(v.z, none), r_whole(v.w, none));
#else
    out[2u * i] = vec4<u32>(v.lo.x, v.hi.x, v.lo.y, v.hi.y);
    out[2u * i + 1u] = vec4<u32>(v.lo.z, v.hi.z, v.lo.w, v.hi.w);
#endif
#endif
}

fn put4(e: Edge, base: u32, row: u32, col: u32, v: E4) {
    if (row >= e.m || col >= e.n) { return; }
    let at = base + row * e.row + col;
#ifdef ACCUMULATE
    let old = load_out(at >> 2u);
    if (e.subtract == 1u) { store_out(at, e4_sub(old, v)); } else { store_out(at, e4_add(old, v)); }
#else
    store_out(at, v);
#endif
}
#endif
