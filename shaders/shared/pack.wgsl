// Wire format: k bits an element, k a multiple of 4, so 8 elements fill k / 4 words of `msg`.
#import ring
var<private> pk_acc: u32 = 0u;
var<private> pk_bits: u32 = 0u;
var<private> pk_at: u32 = 0u;

fn pk_push(v: u32, bits: u32) {
    // v has no bits above `bits`.
    if (bits == 0u) { return; }
    pk_acc |= v << pk_bits;
    let total = pk_bits + bits;
    if (total < 32u) {
        pk_bits = total;
        return;
    }
    msg[pk_at] = pk_acc;
    pk_at++;
    let used = 32u - pk_bits;
    pk_acc = 0u;
    if (used < 32u) { pk_acc = v >> used; }
    pk_bits = total - 32u;
}

// Writes 8 elements, group number `group`.
fn pack8(v: array<R, 8>, k: u32, group: u32) {
    var w = v;
    pk_acc = 0u;
    pk_bits = 0u;
    pk_at = group * (k >> 2u);
    let low = min(k, 32u);
    for (var i = 0u; i < 8u; i++) {
        let e = r_low(w[i], k);
        pk_push(r_lo(e), low);
        pk_push(r_hi(e), k - low);
    }
}
