// Reads the wire format of pack.wgsl from buffer $, one group of 8 elements after the other.
#import ring
var<private> acc_$: u32 = 0u;
var<private> have_$: u32 = 0u;
var<private> at_$: u32 = 0u;

// The next `bits` bits, 0 to 32.
fn pull_$(bits: u32) -> u32 {
    if (bits == 0u) { return 0u; }
    let mask = 0xffffffffu >> (32u - bits);
    if (bits <= have_$) {
        let v = acc_$ & mask;
        have_$ -= bits;
        if (bits == 32u) { acc_$ = 0u; } else { acc_$ = acc_$ >> bits; }
        return v;
    }
    let w = $[at_$];
    at_$++;
    var v = w;
    if (have_$ > 0u) { v = acc_$ | (w << have_$); }
    let used = bits - have_$;
    have_$ = 32u - used;
    if (used == 32u) { acc_$ = 0u; } else { acc_$ = w >> used; }
    return v & mask;
}

// Goes to group `group`.
fn seek_$(k: u32, group: u32) {
    acc_$ = 0u;
    have_$ = 0u;
    at_$ = group * (k >> 2u);
}

// The next element.
fn next_$(k: u32) -> R {
    let lo = pull_$(min(k, 32u));
    var hi = 0u;
    if (k > 32u) { hi = pull_$(k - 32u); }
    return r_make(lo, hi);
}
