// f32 elements of a product; see element.wgsl.
#import quad_f32
const HEAD: u32 = 1u;
alias E = f32;
alias E4 = vec4<f32>;
alias B4 = vec4<f32>;
alias C = vec4<f32>;
alias V = Q;
alias W = Q;
fn e_zero() -> E { return 0.0; }
fn e_add(a: E, b: E) -> E { return a + b; }
fn e_sub(a: E, b: E) -> E { return a - b; }
fn e4_make(x: E, y: E, z: E, w: E) -> E4 { return vec4<f32>(x, y, z, w); }
fn e4_add(a: E4, b: E4) -> E4 { return a + b; }
fn e4_sub(a: E4, b: E4) -> E4 { return a - b; }
fn e4_keep(a: E4, keep: bool) -> E4 { return select(vec4<f32>(), a, keep); }
fn e4_0(a: E4) -> E { return a.x; }
fn e4_1(a: E4) -> E { return a.y; }
fn e4_2(a: E4) -> E { return a.z; }
fn e4_3(a: E4) -> E { return a.w; }
fn e4_start(a: E4) -> C { return a; }
fn e4_end(c: C) -> E4 { return c; }
fn e4_mac(c: C, a: E, b: B4) -> C { return c + a * b; }
fn load_b(i: u32) -> B4 { return e4_load(b[i]); }
fn load_head(i: u32) -> E4 { return e4_load(b[i]); }
#ifdef SHARED
#each j 8
fn b4_from%j(a: B4) -> B4 { return subgroupBroadcast(a, %ju); }
#end
#endif
