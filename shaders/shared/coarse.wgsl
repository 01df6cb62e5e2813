// An opened value or a mask of 24 bits without the lowest p.shift.
#import ring
fn coarse(v: R) -> u32 { return (r_lo(v) & 0xffffffu) >> p.shift; }
