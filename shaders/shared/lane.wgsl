// What one thread of an elementwise kernel handles: F is f32, or with QUAD four of them; S is F as it lies in memory; I and
// U are as many integers.
#ifdef QUAD
#import quad_f32
alias F = vec4<f32>;
alias I = vec4<i32>;
alias U = vec4<u32>;
alias S = Q;
fn e_load(v: S) -> F { return e4_load(v); }
fn e_store(v: F) -> S { return e4_store(v); }
#else
alias F = f32;
alias I = i32;
alias U = u32;
alias S = f32;
fn e_load(v: S) -> F { return v; }
fn e_store(v: F) -> S { return v; }
#endif
