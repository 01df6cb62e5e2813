// Writing four neighbours of a product; see tile.wgsl.
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
    put(i, inside && col < p.n, e4_0(v));
    put(i + p.out_col, inside && col + 1u < p.n, e4_1(v));
    put(i + 2u * p.out_col, inside && col + 2u < p.n, e4_2(v));
    put(i + 3u * p.out_col, inside && col + 3u < p.n, e4_3(v));
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

fn store_out(i: u32, v: E4) {
#ifdef F32
    out[i] = e4_store(v);
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
