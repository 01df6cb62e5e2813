// Differences of the pairs of a tournament's level (shared/pairs.wgsl): out[row half + c] = first - second mod 2^32, of what x
// holds in 24 bits, without the lowest `shift`. One thread handles 8 elements.
struct Params { n: u32, half: u32, width: u32, shift: u32 }
@group(0) @binding(0) var<uniform> p: Params;
#ifdef EIGHTS
@group(0) @binding(1) var<storage, read> x: array<V>; // [n / half][width]
#else
@group(0) @binding(1) var<storage, read> x: array<R>; // [n / half][width]
#endif
@group(0) @binding(2) var<storage, read_write> out: array<V>; // [n]
#import thread
#import coarse
#import pairs(x)
#import store8(out)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t * 8u >= p.n) { return; }
    var a = pairs8_x(t, 0u);
    var b = pairs8_x(t, p.width - p.half);
    for (var i = 0u; i < 8u; i++) { a[i] = r_of(coarse(a[i]) - coarse(b[i])); }
    store8_out(t, a);
}
