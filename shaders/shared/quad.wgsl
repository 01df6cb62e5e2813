// What 16 bytes are read and written as: where the adapter has 64-bit integers two by two words of 32 bits, since software
// adapters pay for accesses, not for bytes.
#ifdef NATIVE
alias Q = vec2<u64>;
#else
alias Q = vec4<u32>;
#endif
