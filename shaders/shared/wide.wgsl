// The widest element of a buffer of ring words: four words, or two in the portable form.
#ifdef NATIVE
alias V = vec4<u64>;
#else
alias V = vec4<u32>;
#endif
