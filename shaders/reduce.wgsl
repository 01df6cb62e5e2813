// Sums over groups of elements, in `parts` partial sums per group:
//   out[j * out_row + out_start + q] = sum over r = q, q + parts, .. < len of
//   v[offset + (j / jd) * jo + (j % jd) * ji + (r / rd) * ro + r % rd]
// v is x, or with SQUARE x^2 (the dealer), or with WIRE the share of the square of a masked wire without the dealt term:
// d (d - 2 l) for the first party, -2 d l for the second. One thread per partial sum.
struct Params {
    groups: u32, parts: u32, len: u32, offset: u32, jd: u32, jo: u32, ji: u32, rd: u32, ro: u32, first: u32,
    out_row: u32, out_start: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<R>; // share, the dealer's mask, or delta
#ifdef WIRE
@group(0) @binding(2) var<storage, read> lam: array<R>; // own share of the mask
#endif
@group(0) @binding(3) var<storage, read_write> out: array<R>; // [groups][out_row]
#import thread
#import ring
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.groups * p.parts) { return; }
    let j = t / p.parts;
    let base = p.offset + (j / p.jd) * p.jo + (j % p.jd) * p.ji;
    var sum = r_zero();
    // Divisions are slow on many adapters: only the first element and the steps divide.
    let start = t % p.parts;
    let down = p.parts / p.rd;
    let right = p.parts - down * p.rd;
    var row = start / p.rd;
    var column = start - row * p.rd;
    for (var r = start; r < p.len; r += p.parts) {
        let at = base + row * p.ro + column;
        let v = x[at];
        row += down;
        column += right;
        let over = column >= p.rd;
        row += select(0u, 1u, over);
        column -= select(0u, p.rd, over);
#ifdef SQUARE
        sum = r_mac(sum, v, v);
#else
#ifdef WIRE
        var f = r_neg(r_shl(lam[at], 1u));
        if (p.first == 1u) { f = r_add(f, v); }
        sum = r_mac(sum, v, f);
#else
        sum = r_add(sum, v);
#endif
#endif
    }
    out[j * p.out_row + p.out_start + t % p.parts] = sum;
}
