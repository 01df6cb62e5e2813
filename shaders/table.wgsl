// out[i] = the table at x[i]. One thread per F.
struct Params { n: u32, borders: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [n]
@group(0) @binding(2) var<storage, read> table: array<f32>; // [borders + (borders + 1) * width]
@group(0) @binding(3) var<storage, read_write> out: array<S>; // [n]
#import thread
#import lane
#import table
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.n) { return; }
    out[t] = e_store(table_at(e_load(x[t])));
}
