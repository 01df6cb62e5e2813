// Indicators of segments between nested thresholds. NONE stands for "no such threshold"; a first bit NONE means the
// segment reaches up to infinity: [x < infinity] = 1.
const NONE: u32 = 0xffffffffu;
// Opened bits of 32 or fewer elements from element t on, for threshold j; bits are [n / 32 rounded up][p.levels].
fn opened(j: u32, t: u32) -> u32 { return bits[t / 32u * p.levels + j] >> (t % 32u); }
// Public parts of [x < T_b0] ^ [x < T_b1], one bit an element; bits above the word's end are not valid.
fn indicator(b0: u32, b1: u32, t: u32) -> u32 {
    var q = 0u;
    if (b0 == NONE) { q ^= 0xffffffffu; } else { q ^= opened(b0, t); }
    if (b1 != NONE) { q ^= opened(b1, t); }
    return q;
}
