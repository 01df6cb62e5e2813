// out = e(scale * (x - max of the row)) divided by its sum over the row. e: 0 exp, 1 the table at `slope` times the argument
// plus `start`, 2 (1 + argument / 2^squarings)^(2^squarings), 0 where the argument is below `cutoff`. Row i has only its
// first `seen` + i % `queries` columns; the others become 0. With QUAD columns are counted in
// fours, and every row has all. One thread per row.
struct Params {
    rows: u32, cols: u32, queries: u32, seen: u32, scale: f32,
    e: u32, borders: u32, width: u32, slope: f32, start: f32, squarings: u32, cutoff: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<S>; // [rows][cols]
@group(0) @binding(2) var<storage, read> table: array<f32>; // [borders + (borders + 1) * width]
@group(0) @binding(3) var<storage, read_write> out: array<S>; // [rows][cols]
#import thread
#import lane
#import lanes
#import exp
#import table

fn e(v: F) -> F {
    switch (p.e) {
        case 0u: { return exp_f32(v); }
        case 1u: { return table_at(v * p.slope + p.start); }
        default: {
            var y = 1.0 + v / f32(1u << p.squarings);
            for (var i = 0u; i < p.squarings; i++) { y *= y; }
            return select(y, F(), v < F(p.cutoff));
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let t = thread(gid);
    if (t >= p.rows) { return; }
    let base = t * p.cols;
    let end = min(p.seen + t % p.queries, p.cols);
    var top = e_load(x[base]);
    for (var i = 1u; i < end; i++) { top = max(top, e_load(x[base + i])); }
    let largest = most(top);
    var sum = F();
    for (var i = 0u; i < end; i++) {
        let v = e(p.scale * (e_load(x[base + i]) - largest));
        out[base + i] = e_store(v);
        sum += v;
    }
    let inverse = 1.0 / total(sum);
    for (var i = 0u; i < end; i++) { out[base + i] = e_store(e_load(out[base + i]) * inverse); }
    for (var i = end; i < p.cols; i++) { out[base + i] = S(); }
}
