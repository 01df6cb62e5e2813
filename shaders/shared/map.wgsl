// Broadcasting: which element of a smaller tensor goes with element i of a larger one,
//   (i / od) * om + (i / id) % im.
struct Map { od: u32, om: u32, id: u32, im: u32 }
fn mapped(m: Map, i: u32) -> u32 { return (i / m.od) * m.om + (i / m.id) % m.im; }
