// out[row] = table[index[row] - first] where the table's window of rows holds that index; other rows are left as they are.
// Indices are whole numbers in f32. One thread per element.
struct Params { n: u32, width: u32, first: u32, rows: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<f32>; // [n / width]
@group(0) @binding(2) var<storage, read> table: array<f32>; // [rows][width], rows first to first + rows of the whole
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [n / width][width]
#import thread
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    // Below `first` the difference wraps and is too large as well.
    let row = u32(index[t / p.width]) - p.first;
    if (row < p.rows) { out[t] = table[row * p.width + t % p.width]; }
}
