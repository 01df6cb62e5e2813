// Members of `Params` that piecewise.wgsl and piecewise_deal.wgsl share: the table's shape, and the addresses of the client's
// streams for words of K bits and for those of S bits.
#ifdef ALWAYS
#else
#ifdef ONE
#else
    segments: u32,
#endif
    levels: u32,
#endif
#ifdef WORDS
    dealt0: u32, dealt1: u32, dealt2: u32,
#endif
#ifdef WIDE
    change0: u32, change1: u32, change2: u32,
#endif
