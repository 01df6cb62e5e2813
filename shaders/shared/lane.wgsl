// What one thread of an elementwise kernel handles: F is f32, or with QUAD four of them; I and U are as many integers.
#ifdef QUAD
alias F = vec4<f32>;
alias I = vec4<i32>;
alias U = vec4<u32>;
#else
alias F = f32;
alias I = i32;
alias U = u32;
#endif
