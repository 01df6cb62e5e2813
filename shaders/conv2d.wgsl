// out[i, y, x, o] = sum over (ky, kx, ci) of image[i, y s + ky - pad, x s + kx - pad, ci] * b[(ky, kx, ci), o], zero
// outside the image; added to or subtracted from out with ACCUMULATE. Positions (rows of the product, counted i, y, x)
// begin at `first`. Bindings may be windows: offsets count from the window, modulo 2^32. One thread per tile.
struct Params {
    m: u32, n: u32, tiles_m: u32, tiles_n: u32, subtract: u32, first: u32,
    a_offset: u32, b_first: u32, panel: u32, out_offset: u32, out_row: u32, out_col: u32,
    h: u32, w: u32, channels: u32, oh: u32, ow: u32, kernel: u32, stride: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
#ifdef SCALAR
@group(0) @binding(1) var<storage, read> a: array<E>; // [images][h][w][channels]
#else
@group(0) @binding(1) var<storage, read> a: array<V>; // [images][h][w][channels], channels a multiple of 4
#endif
@group(0) @binding(2) var<storage, read> b: array<W>; // panels [tiles_n][1 + kernel^2 channels, to 4][width]
#ifdef RAGGED
@group(0) @binding(3) var<storage, read_write> out: array<E>; // [images][oh][ow][n]
#else
@group(0) @binding(3) var<storage, read_write> out: array<V>; // [images][oh][ow][n], n a multiple of 4
#endif
#import thread
#import tile

// Row and column of the kernel's first tap, and the first row of the image among all images' rows.
fn origin(row: u32) -> vec3<i32> {
    let r = p.first + min(row, p.m - 1u);
    let x = r % p.ow;
    let y = (r / p.ow) % p.oh;
    let top = vec2<i32>(vec2<u32>(y, x) * p.stride) - vec2<i32>(i32(p.pad));
    return vec3<i32>(top, i32(r / (p.ow * p.oh) * p.h));
}

// First element of the pixel under tap (ky, kx) and 1 if the pixel is inside.
fn pixel(o: vec3<i32>, ky: u32, kx: u32) -> vec2<u32> {
    let y = u32(o.x) + ky;
    let x = u32(o.y) + kx;
    if (y >= p.h || x >= p.w) { return vec2<u32>(0u, 0u); }
    return vec2<u32>(p.a_offset + ((u32(o.z) + y) * p.w + x) * p.channels, 1u);
}

#ifdef SCALAR
fn one(o: vec3<i32>, k: u32) -> E {
    let tap = k / p.channels;
    let at = pixel(o, tap / p.kernel, tap % p.kernel);
    if (at.y == 0u) { return e_zero(); }
    return a[at.x + k % p.channels];
}
// Beyond the last tap the panel holds zeros, and the rows of the image end.
fn some(o: vec3<i32>, k: u32) -> X {
    var v: array<E, DEPTH>;
#each i DEPTH
    v[%i] = one(o, k + %iu);
#end
    return x_make(v);
}
#else
fn some(at: vec2<u32>, k: u32) -> X { return x_load(e4_keep(a[(at.x + k) / DEPTH], at.y == 1u)); }
#endif

@compute @workgroup_size(64)
#ifdef SHARED
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(subgroup_invocation_id) id: u32) {
    lane = id;
#else
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
#endif
    let t = thread(gid);
    if (t >= p.tiles_m * p.tiles_n) { return; }
    let row = (t % p.tiles_m) * ROWS;
#each r ROWS
    let o%r = origin(row + %ru);
#end
    var at = p.b_first + (t / p.tiles_m) * p.panel;
    start(at);
    at += HEAD * QUADS;
    // Parameters lie in memory: read once, not in every iteration.
    let extent = p.kernel;
    let channels = p.channels;
#ifdef SCALAR
    for (var k = 0u; k < extent * extent * channels; k += DEPTH) {
#each r ROWS
        let x%r = some(o%r, k);
#end
        panel(at);
#each r ROWS
        row%r(x%r);
#end
        at += DEPTH * QUADS;
    }
#else
    for (var tap = 0u; tap < extent * extent; tap++) {
        let ky = tap / extent;
        let kx = tap % extent;
#each r ROWS
        let r%r = pixel(o%r, ky, kx);
#end
        for (var k = 0u; k < channels; k += DEPTH) {
#each r ROWS
            let x%r = some(r%r, k);
#end
            panel(at);
#each r ROWS
            row%r(x%r);
#end
            at += DEPTH * QUADS;
        }
    }
#endif
    finish(p.out_offset, row, (t / p.tiles_m) * 4u * QUADS);
}
