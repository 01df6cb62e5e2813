// Ring elements of a product as u64; see element.wgsl.
alias E4 = vec4<u64>;
alias V = vec4<u64>;
const DEPTH: u32 = 4u;
alias X = E4;
alias B4 = vec4<u64>;
alias C = vec4<u64>;
fn e4_make(x: E, y: E, z: E, w: E) -> E4 { return vec4<u64>(x, y, z, w); }
fn x_make(v: array<E, DEPTH>) -> X { return vec4<u64>(v[0], v[1], v[2], v[3]); }
fn x_load(v: V) -> X { return v; }
fn e4_add(a: E4, b: E4) -> E4 { return a + b; }
fn e4_sub(a: E4, b: E4) -> E4 { return a - b; }
fn e4_0(a: E4) -> E { return a.x; }
fn e4_1(a: E4) -> E { return a.y; }
fn e4_2(a: E4) -> E { return a.z; }
fn e4_3(a: E4) -> E { return a.w; }
fn e4_start(a: E4) -> C { return a; }
fn e4_end(c: C) -> E4 { return c; }
fn e4_dot(c: C, x: X, s: array<B4, DEPTH>) -> C { return c + x.x * s[0] + x.y * s[1] + x.z * s[2] + x.w * s[3]; }
fn e4_of(v: vec4<i32>) -> B4 { return vec4<u64>(vec4<i64>(v)); }
#ifdef I32
alias W = vec4<i32>;
fn load_b(i: u32) -> B4 { return e4_of(b[i]); }
fn load_head(i: u32) -> E4 {
    let u = vec4<u32>(b[2u * i]);
    let v = vec4<u32>(b[2u * i + 1u]);
    return e4_make(r_make(u.x, u.y), r_make(u.z, u.w), r_make(v.x, v.y), r_make(v.z, v.w));
}
#else
#ifdef I16
alias W = vec2<i32>;
fn load_b(i: u32) -> B4 {
    let w = b[i];
    return e4_of(vec4<i32>(w.x << 16u, w.x, w.y << 16u, w.y) >> vec4<u32>(16u));
}
fn load_word(i: u32) -> E {
    let w = vec2<u32>(b[i]);
    return r_make(w.x, w.y);
}
fn load_head(i: u32) -> E4 {
    return e4_make(load_word(4u * i), load_word(4u * i + 1u), load_word(4u * i + 2u), load_word(4u * i + 3u));
}
#else
alias W = vec4<u64>;
fn load_b(i: u32) -> B4 { return b[i]; }
fn load_head(i: u32) -> E4 { return b[i]; }
#endif
#endif
#ifdef SHARED
// Of the thread that loaded quad q of row i of the panel.
#each i DEPTH
#each q QUADS
fn b4_%i_%q(a: B4) -> B4 { return subgroupBroadcast(a, (%iu * QUADS + %qu) % 8u); }
#end
#end
#endif
