// What one thread of an elementwise kernel handles: F is f32, or with QUAD four of them.
#ifdef QUAD
alias F = vec4<f32>;
#else
alias F = f32;
#endif
