// Number of a segment's first dealt word, and of the first of its changes, in their sections: with ONE they follow those for
// all segments.
#import degree
#ifdef ONE
const SELECTED: u32 = HIGHER;
const CHANGED: u32 = 1u + DEGREE;
#else
const SELECTED: u32 = 0u;
const CHANGED: u32 = 0u;
#endif
