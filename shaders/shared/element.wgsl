// Elements of a product: ring words, or f32 with F32. E is one element and E4 four neighbours of the left-hand side or the
// result, V what is loaded of them; X is DEPTH neighbours of the left-hand side, for as many rows of the right-hand side; B4 four
// neighbours of the latter, W what these are loaded as; C four sums.
// Ring weights are whole words, or with I32 or I16 signed integers of that size, two of the latter to a word. HEAD is what
// a panel's row 0 takes: it holds whole elements, as many W as HEAD of its other rows.
#ifdef F32
#import element_f32
#else
#import ring
alias E = R;
fn e_zero() -> E { return r_zero(); }
fn e_add(a: E, b: E) -> E { return r_add(a, b); }
fn e_sub(a: E, b: E) -> E { return r_sub(a, b); }
#ifdef I32
const HEAD: u32 = 2u;
#else
#ifdef I16
const HEAD: u32 = 4u;
#else
const HEAD: u32 = 1u;
#endif
#endif
#ifdef NATIVE
#import element_native
#else
#import element_portable
#endif
#endif
fn e4_keep(v: V, keep: bool) -> V { return select(V(), v, keep); }
