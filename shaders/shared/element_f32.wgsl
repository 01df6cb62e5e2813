// f32 elements of a product; see element.wgsl.
#import quad_f32
const HEAD: u32 = 1u;
alias E = f32;
alias E4 = vec4<f32>;
const DEPTH: u32 = 4u;
alias X = E4;
alias B4 = vec4<f32>;
alias C = vec4<f32>;
alias V = Q;
alias W = Q;
fn e_zero() -> E { return 0.0; }
fn e_add(a: E, b: E) -> E { return a + b; }
fn e_sub(a: E, b: E) -> E { return a - b; }
fn e4_make(x: E, y: E, z: E, w: E) -> E4 { return vec4<f32>(x, y, z, w); }
fn x_make(v: array<E, DEPTH>) -> X { return vec4<f32>(v[0], v[1], v[2], v[3]); }
fn x_load(v: V) -> X { return e4_load(v); }
fn e4_add(a: E4, b: E4) -> E4 { return a + b; }
fn e4_sub(a: E4, b: E4) -> E4 { return a - b; }
fn e4_0(a: E4) -> E { return a.x; }
fn e4_1(a: E4) -> E { return a.y; }
fn e4_2(a: E4) -> E { return a.z; }
fn e4_3(a: E4) -> E { return a.w; }
fn e4_start(a: E4) -> C { return a; }
fn e4_end(c: C) -> E4 { return c; }
fn e4_dot(c: C, x: X, s: array<B4, DEPTH>) -> C { return c + x.x * s[0] + x.y * s[1] + x.z * s[2] + x.w * s[3]; }
fn load_b(i: u32) -> B4 { return e4_load(b[i]); }
fn load_head(i: u32) -> E4 { return e4_load(b[i]); }
#ifdef SHARED
// Of the thread that loaded quad q of row i of the panel.
#each i DEPTH
#each q QUADS
fn b4_%i_%q(a: B4) -> B4 { return subgroupBroadcast(a, (%iu * QUADS + %qu) % 8u); }
#end
#end
#endif
