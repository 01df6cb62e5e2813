// Broadcasting: which element of a smaller tensor goes with element i of a larger one,
//   (i / od) * om + (i / id) % im.
// Consecutive elements are walked: divisions are slow on many adapters, so only the first one divides.
struct Map { od: u32, om: u32, id: u32, im: u32 }
struct Walk { outer: u32, outer_left: u32, inner: u32, inner_left: u32 }

fn walk_from(m: Map, i: u32) -> Walk {
    let outer = i / m.od;
    let step = i / m.id;
    return Walk(outer * m.om, m.od - (i - outer * m.od), step % m.im, m.id - (i - step * m.id));
}

fn walk_at(w: Walk) -> u32 { return w.outer + w.inner; }

fn walk_on(m: Map, w: Walk) -> Walk {
    var v = w;
    v.outer_left -= 1u;
    let over = v.outer_left == 0u;
    v.outer += select(0u, m.om, over);
    v.outer_left = select(v.outer_left, m.od, over);
    v.inner_left -= 1u;
    let next = v.inner_left == 0u;
    v.inner_left = select(v.inner_left, m.id, next);
    v.inner += select(0u, 1u, next);
    v.inner = select(v.inner, 0u, v.inner == m.im);
    return v;
}
