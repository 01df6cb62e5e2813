// Gather between layouts: output element i = (row, col) of `cols` columns comes from
//   x[source(row) * stride + start + col]; with UPSAMPLE source(row) halves both image coordinates, else it is row.
// It goes to out[row * out_stride + out_start + col]. One thread per element. Elements are ring words, or f32
// with F32, or with WIDE 16 bytes of either.
#ifdef UPSAMPLE
struct Params { n: u32, cols: u32, stride: u32, start: u32, out_stride: u32, out_start: u32, h: u32, w: u32 }
#else
struct Params { n: u32, cols: u32, stride: u32, start: u32, out_stride: u32, out_start: u32 }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<E>; // [rows][stride]
@group(0) @binding(2) var<storage, read_write> out: array<E>; // [rows][out_stride]
#import thread
#ifdef WIDE
#import quad
alias E = Q;
#else
#ifdef F32
alias E = f32;
#else
#import ring
alias E = R;
#endif
#endif
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    let row = t / p.cols;
    var source = row;
#ifdef UPSAMPLE
    // Output images are h x w.
    let image = row / (p.h * p.w);
    let y = (row / p.w) % p.h;
    let z = row % p.w;
    source = (image * (p.h / 2u) + y / 2u) * (p.w / 2u) + z / 2u;
#endif
    out[row * p.out_stride + p.out_start + t % p.cols] = x[source * p.stride + p.start + t % p.cols];
}
